import type { Application } from 'express';

interface Layer {
  route?: { methods: Record<string, boolean>; path: string };
  match(path: string): boolean;
}

/** Methods in upper case that some route answers on this path; empty if none. Reads Express's own table, so it knows every route there is. */
export function allowedMethods(application: Application, path: string): string[] {
  const methods = new Set<string>();
  for (const layer of (application.router as unknown as { stack: Layer[] }).stack) {
    // A route for all methods is a fallback page, not a resource with methods of its own.
    if (!layer.route || layer.route.methods['_all'] || !matches(layer, path)) continue;
    for (const method of Object.keys(layer.route.methods)) methods.add(method.toUpperCase());
  }
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].sort();
}

function matches(layer: Layer, path: string): boolean {
  try {
    return layer.match(path);
  } catch {
    // Percent-encoding that cannot be decoded: no route matches it.
    return false;
  }
}
