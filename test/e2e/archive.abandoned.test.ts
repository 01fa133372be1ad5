import { CreateMultipartUploadCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { startWithEngine } from '../support/engine.js';
import { S3Server, describeWithS3 } from '../support/s3-server.js';
import { eventually } from '../support/service.js';

describeWithS3('uploads to S3 that were cut short', () => {
  it('are removed by the sweep when they are old, where they are our own', async () => {
    const s3 = await S3Server.start();
    const settings = s3.settings();
    const client = s3.client();
    const others = 'backup/of-others';
    for (const Key of ['answer/alice/s/q1/cut.webm', others])
      await client.send(new CreateMultipartUploadCommand({ Bucket: settings['S3_BUCKET'], Key }));
    const running = await startWithEngine('all', { ...settings, S3_ABANDONED_UPLOAD_H: '0' });
    try {
      await eventually(async () => {
        const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: settings['S3_BUCKET'] }));
        expect(Uploads.map(({ Key }) => Key)).toEqual([others]);
      });
    } finally {
      await running.stop();
      client.destroy();
      await s3.stop();
    }
  });
});
