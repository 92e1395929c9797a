/** The page of `farmer page`, in the browser that the tests use. npx tsx docs/method/figures/page.ts */
import { weightsFile } from 'farmer/node';
import { readCheckpoint } from '../../../packages/farmer/cli/checkpoint.ts';
import { pageFiles } from '../../../packages/farmer/cli/page/files.ts';
import { servePage } from '../../../packages/farmer/cli/page/server.ts';
import { launchBrowser, visit } from '../../../test/support/browser.ts';

const checkpoint = await readCheckpoint(weightsFile('small-split'));
const server = await servePage(await pageFiles(checkpoint, 'mnist-small-split'), { port: 0 });
const browser = await launchBrowser();
const page = await visit(browser, `${server.url}?device=cpu`);
await page.setViewportSize({ width: 800, height: 600 });
await page.locator('#posterior tr').first().waitFor({ timeout: 300_000 });
await page.screenshot({ path: 'docs/images/page.png', fullPage: true });
await browser.close();
await server.close();
