import type { Request } from 'express';

/** What a browser opens by itself, where it cannot send a token in a header. Routes below it only read. */
export const PAGES_PATH = '/admin';
export const PAGE_COOKIE = 'vivavoce_page';

/** Browsers keep a cookie of 4096 bytes with its name and attributes. */
export const LONGEST_TOKEN = 3800;

const TOKEN = new RegExp(`(?:^|;)\\s*${PAGE_COOKIE}=([\\w.-]+)\\s*(?:;|$)`);

/**
 * The token of the page cookie, where it counts: a GET of a page, without an `Authorization` header. A cookie comes with
 * requests that other sites make too, so that it must not change anything, and the API never looks at it.
 */
export function pageCookieToken(request: Request): string | undefined {
  const { method, path, headers } = request;
  if (method !== 'GET' || !path.startsWith(`${PAGES_PATH}/`) || headers.authorization !== undefined) return undefined;
  return TOKEN.exec(headers.cookie ?? '')?.[1];
}
