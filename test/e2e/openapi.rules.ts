import type { OpenAPIObject } from '@nestjs/swagger';

type Node = Record<string, unknown>;
const METHODS = ['get', 'put', 'post', 'delete', 'patch', 'head', 'options'];

/** What a reader of the document would miss: one line per operation and lack. Empty when every operation is documented in full. */
export function lacksOf(document: OpenAPIObject): string[] {
  const lacks: string[] = [];
  const seen = new Map<string, string>();
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS.filter((name) => name in item)) {
      const operation = (item as Node)[method] as Node;
      const name = `${method.toUpperCase()} ${path}`;
      const say = (lack: string) => lacks.push(`${name}: ${lack}`);
      const id = operation['operationId'] as string | undefined;
      if (!id) say('no operationId');
      else if (seen.has(id)) say(`the same operationId as ${seen.get(id)}`);
      else seen.set(id, name);
      if (!operation['summary']) say('no summary');
      if (!Array.isArray(operation['tags']) || operation['tags'].length === 0) say('no tag');
      for (const parameter of (operation['parameters'] as Node[] | undefined) ?? []) {
        const place = `parameter ${String(parameter['name'])}`;
        if (!hasExample(document, { schema: parameter['schema'], example: parameter['example'] }))
          say(`${place} has no example`);
      }
      const body = operation['requestBody'] as Node | undefined;
      if (body) contentLacks(document, body, 'request').forEach(say);
      responseLacks(document, operation).forEach(say);
    }
  }
  return lacks;
}

function responseLacks(document: OpenAPIObject, operation: Node): string[] {
  const responses = operation['responses'] as Record<string, Node>;
  const successes = Object.keys(responses).filter(
    (status) => status.startsWith('2') || status === '304' || status === '101',
  );
  const lacks = successes.length === 0 ? ['no response that is a success'] : [];
  for (const [status, response] of Object.entries(responses)) {
    if (['204', '304', '101'].includes(status)) continue;
    lacks.push(...contentLacks(document, response, `response ${status}`));
  }
  return lacks;
}

function contentLacks(document: OpenAPIObject, node: Node, name: string): string[] {
  const content = Object.entries((node['content'] as Record<string, Node> | undefined) ?? {});
  if (content.length === 0) return [`${name} has no schema`];
  return content.flatMap(([type, media]) => {
    if (!media['schema']) return [`${name} (${type}) has no schema`];
    return hasExample(document, media) ? [] : [`${name} (${type}) has no example`];
  });
}

/** An example of its own, or one that can be put together from those of its parts. */
function hasExample(document: OpenAPIObject, node: Node, depth = 0): boolean {
  if (depth > 12) return true;
  const again = (schema: unknown) => hasExample(document, schema as Node, depth + 1);
  if (['example', 'examples', 'default', 'const', 'enum'].some((key) => node[key] !== undefined)) return true;
  if (node['format'] === 'binary' || node['contentMediaType'] !== undefined) return true;
  if (node['schema']) return again(node['schema']);
  if (typeof node['$ref'] === 'string') {
    const name = node['$ref'].replace('#/components/schemas/', '');
    return again(document.components?.schemas?.[name] ?? {});
  }
  for (const key of ['allOf', 'anyOf', 'oneOf']) {
    if (Array.isArray(node[key])) return (node[key] as unknown[]).some(again);
  }
  if (node['properties']) return Object.values(node['properties']).every(again);
  if (node['items']) return again(node['items']);
  return node['type'] === 'null' || node['type'] === 'boolean';
}
