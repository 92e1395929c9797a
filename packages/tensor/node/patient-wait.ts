/** Waits shorter than this, in milliseconds, are polled without a pause. */
const impatient = 0.5;
/** A pause is this part of the wait so far, so that an answer is late by no more. */
const part = 0.05;
/** In milliseconds: signals and other promises wait for a pause to end. */
const longest = 1;

const never = new Int32Array(new SharedArrayBuffer(4));
let waiting = 0;
let since = 0;
/** Whether `pause` will run in the next turn of the event loop: a wait may begin before it has seen the last one end. */
let scheduled = false;

/**
 * Awaits a promise of WebGPU, and meanwhile lets the main thread sleep between Dawn's polls. Dawn's Node binding polls
 * by setImmediate for as long as any of its promises is pending, without a pause, and that takes a whole core: on a
 * software adapter one of those that run the kernels.
 */
export async function patientWait<T>(promise: Promise<T>): Promise<T> {
  since = performance.now();
  waiting++;
  schedule();
  try {
    return await promise;
  } finally {
    waiting--;
  }
}

/** Runs once a turn of the event loop, as Dawn's poll does. */
function pause(): void {
  scheduled = false;
  if (waiting === 0) return;
  const waited = performance.now() - since;
  if (waited > impatient) Atomics.wait(never, 0, 0, Math.min(longest, part * waited));
  schedule();
}

function schedule(): void {
  if (!scheduled) setImmediate(pause);
  scheduled = true;
}
