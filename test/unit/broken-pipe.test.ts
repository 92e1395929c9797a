import { EventEmitter } from 'node:events';
import { expect, it, vi } from 'vitest';
import { endOnBrokenPipe, onBrokenPipe } from '../../packages/farmer/cli/broken-pipe.ts';

it.each([
  ['a pipe whose reader has gone', 'EPIPE', false, true],
  ['a terminal that was closed', 'EIO', true, true],
  ['a disk that fails', 'EIO', false, false],
  ['a full disk', 'ENOSPC', false, false],
])('tells %s (%s) from other errors of the output', (_, code, isTTY, hasGone) => {
  const stream = Object.assign(new EventEmitter(), { isTTY });
  const listener = vi.fn();
  endOnBrokenPipe([stream]);
  const forget = onBrokenPipe(listener);
  const fail = () => stream.emit('error', Object.assign(new Error(code), { code }));
  if (hasGone) fail();
  else expect(fail).toThrow(code);
  expect(listener).toHaveBeenCalledTimes(hasGone ? 1 : 0);
  forget();
});
