interface Gap {
  start: number;
  readonly end: number;
}

/** The parts of an address space where no block is, in their order; no two touch. */
export class FreeRoom {
  #gaps: Gap[];

  constructor(start: number, end: number) {
    this.#gaps = [{ start, end }];
  }

  /** @returns the first address with room for so many bytes */
  take(size: number): number | undefined {
    const at = this.#gaps.findIndex(({ start, end }) => end - start >= size);
    const gap = this.#gaps[at];
    if (!gap) return undefined;
    const { start } = gap;
    gap.start += size;
    if (gap.start === gap.end) this.#gaps.splice(at, 1);
    return start;
  }

  /** Makes room of a block, joined with the room beside it. */
  give(address: number, size: number): void {
    const before = this.#gaps.filter(({ end }) => end <= address);
    const after = this.#gaps.slice(before.length);
    const start = before.at(-1)?.end === address ? before.pop()!.start : address;
    const end = after[0]?.start === address + size ? after.shift()!.end : address + size;
    this.#gaps = [...before, { start, end }, ...after];
  }
}
