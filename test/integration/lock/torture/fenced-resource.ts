/** A counter that lets in nobody whose token is older than the newest it has seen, readers included. */
export class FencedResource {
  value = 0;
  written = 0;
  refused = 0;
  readonly violations: string[] = [];
  #newest = 0n;
  #lastWriter = 0n;

  read(token: bigint): { ok: boolean; value: number } {
    return { ok: this.#admit(token), value: this.value };
  }

  write(token: bigint, value: number): { ok: boolean; value: number } {
    const ok = this.#admit(token);
    if (ok) {
      if (token < this.#lastWriter)
        this.violations.push(`a write with token ${token} after one with ${this.#lastWriter}`);
      if (value !== this.value + 1) this.violations.push(`an update was lost: ${this.value} became ${value}`);
      this.#lastWriter = token;
      this.value = value;
      this.written++;
    }
    return { ok, value: this.value };
  }

  #admit(token: bigint): boolean {
    if (token < this.#newest) {
      this.refused++;
      return false;
    }
    this.#newest = token;
    return true;
  }
}
