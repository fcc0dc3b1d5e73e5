/** The page for people: three files that are read once, from beside the program. They hold no data; that needs a token. */
import { existsSync, readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';

export const pagePaths = ['/', '/page.css', '/page.js'] as const;

const files: Readonly<Record<(typeof pagePaths)[number], { readonly file: string; readonly type: string }>> = {
  '/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/page.css': { file: 'page.css', type: 'text/css; charset=utf-8' },
  '/page.js': { file: 'page.js', type: 'text/javascript; charset=utf-8' },
};

/** Nothing from elsewhere, nothing inside the markup, no frame around it. */
const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-cache',
} as const;

export function servePage(server: FastifyInstance): void {
  const folder = pageFolder();
  for (const path of pagePaths) {
    const { file, type } = files[path];
    const text = readFileSync(new URL(file, folder));
    server.get(path, (_request, reply) => reply.headers(headers).type(type).send(text));
  }
}

/** Beside the sources, beside dist, beside a bundle of it: the first folder `page` on the way up. */
function pageFolder(): URL {
  let at = new URL('.', import.meta.url);
  while (!existsSync(new URL('page/index.html', at))) {
    const up = new URL('..', at);
    if (up.href === at.href) throw new Error('the files of the page are missing');
    at = up;
  }
  return new URL('page/', at);
}
