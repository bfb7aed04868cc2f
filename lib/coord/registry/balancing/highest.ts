/** The `size` items with the highest scores, the highest first. For few of many it looks at each item once and sorts nothing. */
export function highest<T>(items: readonly T[], size: number, score: (item: T) => number): readonly T[] {
  if (size * 8 >= items.length) {
    return items.toSorted((a, b) => score(b) - score(a)).slice(0, size);
  }
  const best: { readonly item: T; readonly score: number }[] = [];
  for (const item of items) {
    const own = score(item);
    const last = best.at(-1);
    if (best.length === size && last !== undefined && own <= last.score) continue;
    let place = best.length;
    while (place > 0 && (best[place - 1]?.score ?? Infinity) < own) place--;
    best.splice(place, 0, { item, score: own });
    if (best.length > size) best.pop();
  }
  return best.map(({ item }) => item);
}
