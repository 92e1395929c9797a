import { registry, type Device } from '@farmer/tensor';
import { checkOps } from '@farmer/tensor/conformance';
import { element, painted, type Run } from './elements.ts';

/** Checks every op on the page's device when asked, and lists those that compute wrongly. */
export function setUpChecking(device: Device, run: Run): void {
  const result = element('check-result', HTMLElement);
  const check = async () => {
    const wrong: string[] = [];
    let checked = 0;
    for await (const found of checkOps(device)) {
      if (found.wrong !== undefined) wrong.push(found.wrong);
      result.textContent = `${++checked} of ${registry.length}: ${found.op}`;
      await painted();
    }
    result.textContent =
      wrong.length === 0
        ? `All ${registry.length} are as they should be on ${device.name}.`
        : `${wrong.length} of ${registry.length} are wrong on ${device.name}:\n${wrong.join('\n')}`;
  };
  element('check-all', HTMLButtonElement).onclick = () => void run('checking', check);
  element('check', HTMLElement).hidden = false;
}
