import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface PageFile {
  readonly type: string;
  readonly body: string | Uint8Array;
}

/** What a page may fetch, by path. */
export type PageFiles = Readonly<Record<string, PageFile>>;

export interface PageServer {
  readonly url: string;
  close(): Promise<void>;
}

export interface ServeOptions {
  /** 0 takes one that is free. */
  readonly port: number;
  /** Whether pages are cross-origin isolated, and so may share memory among threads. */
  readonly isolated?: boolean;
}

const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/**
 * Serves files to this machine's browsers alone.
 * @throws Error naming the port, if another program has it
 */
export async function servePage(
  files: PageFiles,
  { port, isolated = true }: ServeOptions,
): Promise<PageServer> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const file = Object.hasOwn(files, pathname) ? files[pathname] : undefined;
    response.writeHead(file ? 200 : 404, {
      'Content-Type': file?.type ?? 'text/plain',
      ...(isolated ? ISOLATION : {}),
    });
    response.end(file?.body ?? 'There is nothing here.\n');
  });
  await listen(server, port);
  return {
    // Browsers take localhost for secure, which WebGPU and shared memory need.
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('listening', resolve);
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'another program has it' : error.message;
      reject(
        new Error(`cannot serve on port ${port}: ${reason}; give another --port, or 0 for any`),
      );
    });
    server.listen(port, 'localhost');
  });
}
