/**
 * Runs variants interleaved, round by round, and compares each with the first: what the machine does to one it does to
 * all, so the ratios hold where absolute figures do not.
 *
 * @param {{ name: string, rounds?: number, warmup?: number, unit: string, higherIsBetter?: boolean }} options
 * @param {Record<string, () => Promise<number>>} variants each measures once and returns the figure
 * @returns {Promise<Record<string, { median: number, ratio: number }>>} the ratio is the median of the rounds' ratios
 */
export async function interleave({ name, rounds = 7, warmup = 1, unit }, variants) {
  const names = Object.keys(variants);
  const figures = Object.fromEntries(names.map((each) => [each, []]));
  for (let round = -warmup; round < rounds; round++) {
    // Each begins as often as the others, and follows one neighbour as often as the other: what the one before leaves
    // behind (garbage, a warm cache) would favour somebody.
    const turn = round + warmup;
    const from = turn % names.length;
    const order = [...names.slice(from), ...names.slice(0, from)];
    if (Math.floor(turn / names.length) % 2 === 1) order.reverse();
    for (const each of order) {
      const figure = await variants[each]();
      if (round >= 0) figures[each].push(figure);
    }
  }
  const [base] = names;
  const result = {};
  console.log(`\n${name} (${rounds} rounds, medians; ratio to ${base})`);
  for (const each of names) {
    const ratios = figures[each].map((figure, round) => figure / figures[base][round]);
    result[each] = { median: median(figures[each]), ratio: median(ratios) };
    const { median: value, ratio } = result[each];
    console.log(
      `  ${each.padEnd(44)} ${format(value).padStart(10)} ${unit.padEnd(8)} ${ratio.toFixed(2).padStart(6)}`,
    );
  }
  return result;
}

/** @param {readonly number[]} values */
export function median(values) {
  return quantile(values, 0.5);
}

/** @param {readonly number[]} values @param {number} share from 0 to 1 */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

function format(value) {
  return value >= 100 ? Math.round(value).toString() : value.toPrecision(3);
}
