import type { Command } from 'commander';
import { join } from 'node:path';
import { readCheckpoint } from '../checkpoint.ts';
import {
  modelName,
  resolveCheckpoint,
  withModelOptions,
  type ModelOptions,
} from '../model-options.ts';
import { wholeNumber, withExamples } from '../options.ts';
import { pageFiles, writePage } from '../page/files.ts';
import { servePage } from '../page/server.ts';

interface PageOptions extends ModelOptions {
  readonly port: number;
  readonly out?: string;
}

const DEFAULT = { checkpoint: 'small-split' };

export function addPageCommand(program: Command): void {
  const command = withModelOptions(
    program
      .command('page')
      .description(
        `Serve a page in which a trained model draws and reads images, on the browser's own GPU or CPU (default: --checkpoint ${DEFAULT.checkpoint}).`,
      ),
  )
    .option(
      '--port <n>',
      'where to serve on this machine; 0: any free port',
      wholeNumber(0, 65535),
      8080,
    )
    .option('--out <dir>', "instead, write the page's files to this folder, for any web server");
  withExamples(command, ['farmer page', 'farmer page --run runs/tiny-mnist-0']).action(
    (options: PageOptions) => runPage(options),
  );
}

/** Writes the page; or serves it until the process is ended. */
async function runPage(options: PageOptions): Promise<void> {
  const isChosen = options.checkpoint !== undefined || options.run !== undefined;
  const path = resolveCheckpoint(isChosen ? options : DEFAULT);
  const checkpoint = await readCheckpoint(path);
  const files = await pageFiles(checkpoint, modelName(path));
  process.stdout.write(`checkpoint  ${path}, step ${checkpoint.step}\n`);
  if (options.out !== undefined) {
    await writePage(options.out, files);
    process.stdout.write(`page        ${join(options.out, 'index.html')} and what it loads\n`);
    return;
  }
  const { url } = await servePage(files, { port: options.port });
  process.stdout.write(`page        ${url} (Ctrl-C ends it)\n`);
  await new Promise(() => {});
}
