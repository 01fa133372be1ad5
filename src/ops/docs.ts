import type { NestExpressApplication } from '@nestjs/platform-express';
import type { OpenAPIObject } from '@nestjs/swagger';
import type { Application, Response } from 'express';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';

const require = createRequire(import.meta.url);
const ASSETS_MAX_AGE_MS = 24 * 3600 * 1000;

const SWAGGER_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Vivavoce - Swagger UI</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<link rel="icon" type="image/png" sizes="32x32" href="/docs/assets/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const SWAGGER_START = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  showExtensions: true,
  presets: [SwaggerUIBundle.presets.apis],
  layout: 'BaseLayout',
});
`;

const REDOC_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Vivavoce - ReDoc</title>
<link rel="icon" type="image/png" sizes="32x32" href="/docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="/redoc/page.css">
</head>
<body>
<redoc spec-url="/openapi.json"></redoc>
<script src="/redoc/redoc.standalone.js"></script>
</body>
</html>
`;

/**
 * Serves `/openapi.json`, `/docs` (Swagger UI) and `/redoc`, all from this machine's own files. Call it before `init` or
 * `listen`, so that its routes stand before the one that answers 404.
 *
 * @param build makes the document; called once, at the first request for it
 */
export function serveDocs(app: NestExpressApplication, build: () => OpenAPIObject): void {
  const http = app.getHttpAdapter().getInstance() as Application;
  let document: string | undefined;
  http.get('/openapi.json', (_request, response) => {
    document ??= JSON.stringify(build());
    response.type('application/json').send(document);
  });
  http.get('/docs', (_request, response) => page(response, 'html', SWAGGER_PAGE));
  http.get('/docs/start.js', (_request, response) => page(response, 'js', SWAGGER_START));
  http.get('/redoc', (_request, response) => page(response, 'html', REDOC_PAGE));
  http.get('/redoc/page.css', (_request, response) => page(response, 'css', 'body { margin: 0; padding: 0; }\n'));
  const assets = dirname(require.resolve('swagger-ui-dist/package.json'));
  for (const name of ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png']) {
    serveFile(http, `/docs/assets/${name}`, assets, name);
  }
  const bundles = dirname(require.resolve('redoc/bundles/redoc.standalone.js'));
  serveFile(http, '/redoc/redoc.standalone.js', bundles, 'redoc.standalone.js');
}

function serveFile(http: Application, path: string, root: string, name: string): void {
  // With a root, a checkout that lies below a folder whose name starts with a dot is served as well.
  http.get(path, (_request, response) => response.sendFile(name, { root, maxAge: ASSETS_MAX_AGE_MS }));
}

function page(response: Response, type: string, content: string): void {
  response.type(type).send(content);
}
