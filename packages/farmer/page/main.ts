/** The page: a trained model that draws and reads images on the browser's own device, and a check of that device. */
import { openPageDevice } from '@farmer/tensor';
import { setUpChecking } from './check-panel.ts';
import { setUpDrawing } from './draw-panel.ts';
import { element, painted, type Run } from './elements.ts';
import { fetchModel } from './model.ts';
import { setUpReading } from './read-panel.ts';

const status = element('status', HTMLElement);
const fail = (error: unknown) => {
  status.textContent = error instanceof Error ? error.message : String(error);
};

try {
  // ?device=webgpu takes a software adapter too, ?device=cpu none.
  const wanted = new URLSearchParams(location.search).get('device');
  const device = await openPageDevice({
    device: wanted === 'webgpu' || wanted === 'cpu' ? wanted : 'auto',
  });
  const model = await fetchModel('model.safetensors');
  const took = new Map<string, string>();
  const say = (doing: string) => {
    const where = `${model.name} on ${device.kind === 'cpu' ? 'the CPU' : device.name}`;
    const times = [...took].map(([work, seconds]) => `${work} took ${seconds} s`);
    status.textContent = `${where}: ${doing || times.join(', ')}`;
  };
  let isBusy = false;
  /** One piece of work at a time: a click meanwhile is lost. */
  const run: Run = async (doing, work) => {
    if (isBusy) return false;
    isBusy = true;
    say(`${doing}…`);
    await painted();
    const start = performance.now();
    try {
      await work();
      took.set(doing, ((performance.now() - start) / 1000).toFixed(2));
      say('');
      return true;
    } catch (error) {
      fail(error);
      return false;
    } finally {
      isBusy = false;
    }
  };
  setUpChecking(device, run);
  const read = setUpReading(model, run);
  await setUpDrawing(model, run, read)();
} catch (error) {
  fail(error);
}
