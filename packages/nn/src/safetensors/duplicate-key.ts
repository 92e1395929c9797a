/**
 * The first key that a header's JSON text holds twice in one object, or undefined.
 *
 * `JSON.parse` keeps the last of two equal keys without a word, so a file could name one tensor
 * twice. The text must already have parsed: then a string is a key exactly when a colon follows it.
 * Only the outer object (the tensors) and the objects in it (their fields) are looked at.
 */
export function duplicateJsonKey(text: string): string | undefined {
  const outer = new Set<string>();
  let inner = new Set<string>();
  let depth = 0;
  const colon = /\s*:/y;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '{') {
      depth++;
      if (depth === 2) inner = new Set();
    } else if (character === '}') {
      depth--;
    } else if (character === '"') {
      const end = stringEnd(text, i);
      colon.lastIndex = end;
      if (depth <= 2 && colon.test(text)) {
        const key = JSON.parse(text.slice(i, end)) as string;
        const keys = depth === 1 ? outer : inner;
        if (keys.has(key)) return key;
        keys.add(key);
      }
      i = end - 1;
    }
  }
  return undefined;
}

/** The index after the closing quote of the string that opens at `start`. */
function stringEnd(text: string, start: number): number {
  let i = start + 1;
  while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return i + 1;
}
