import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { finishDocument } from './openapi-document.js';

const TAGS: [name: string, description: string][] = [
  ['sessions', 'Interviews: their questions and what was answered.'],
  ['answers', 'Spoken and written answers, their transcripts and scores.'],
  ['uploads', 'The ledger: what arrived, and what became of it.'],
  ['webhooks', 'Being told of what happens, instead of asking.'],
  ['admin', 'For operators: needs the role `admin`.'],
  ['system', 'Health and metrics.'],
];

/** The OpenAPI 3.1 document of every route that the application has. Call it after the modules are loaded. */
export function buildOpenApi(app: INestApplication, version = '0.1.0'): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Vivavoce')
    .setDescription('Takes spoken interview answers and turns them into transcripts and explained scores.')
    .setVersion(version)
    .setLicense('MIT', 'https://opensource.org/license/mit')
    .addServer('/', 'This server')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' }, 'HTTPBearer');
  for (const [name, description] of TAGS) builder.addTag(name, description);
  const document = SwaggerModule.createDocument(app, builder.build(), {
    // The finished id needs the path, which is not known here.
    operationIdFactory: (_controller, method) => method,
    autoTagControllers: false,
  });
  return finishDocument(document);
}
