import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { startTestService } from '../support/service.js';

describe('a service that cannot listen', () => {
  it('says in one line which setting to look at: the port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(startTestService('api', { PORT: String(port) })).rejects.toMatchObject({
      faults: [expect.stringMatching(/^PORT: is in use/)],
    });
    other.close();
  });

  it('says in one line which setting to look at: the host is not known', async () => {
    await expect(startTestService('api', { HOST: 'nobody.invalid' })).rejects.toMatchObject({
      faults: [expect.stringMatching(/^HOST: is not known/)],
    });
  });
});
