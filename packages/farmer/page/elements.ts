/** The page's element of an id, which index.html has. */
export function element<Kind extends HTMLElement>(
  id: string,
  kind: new () => Kind,
  within: ParentNode = document,
): Kind {
  const found = within.querySelector(`#${id}, [name="${id}"]`);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${kind.name} "${id}"`);
}

/** Lets the browser paint what changed before the thread computes. */
export function painted(): Promise<void> {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
}

/** Does a piece of work, and shows that it goes on, or what went wrong. @returns whether it was done */
export type Run = (doing: string, work: () => Promise<void>) => Promise<boolean>;
