import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { type TestService, eventually, speech, startTestService } from '../support/service.js';

const deploy = join(import.meta.dirname, '../../deploy');
const alertsFile = join(deploy, 'prometheus/alerts.yml');
const dashboard = readFileSync(join(deploy, 'grafana/vivavoce.json'), 'utf8');
const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
const withPromtool = hasPromtool ? it : it.skip;

/** Alerts that are ready before what they watch: the metric comes with its routes, and takes its name off this list. */
const TO_COME = ['vivavoce_recordings'];

/** Names of metrics in a query, without the suffixes that a histogram's series have. */
function metricsIn(text: string): string[] {
  const names = text.match(/\b(?:vivavoce|nodejs)_[a-z0-9_]+/g) ?? [];
  return [...new Set(names.map((name) => name.replace(/_(bucket|count|sum)$/, '')))];
}

describe('what is watched', () => {
  let service: TestService;
  let exposed: string;
  let atFirst: string;

  beforeAll(async () => {
    service = await startTestService('all');
    const alice = await service.user('alice');
    atFirst = (await alice.get('/metrics')).body;
    const session = await alice.session();
    await alice.upload(session, 'q1', speech('answer-0870.webm'));
    await alice.answer(session, 'q1');
    exposed = await eventually(async () => {
      const { body } = await alice.get('/metrics');
      expect(body).toMatch(/^vivavoce_workers 1$/m);
      return body as string;
    });
  });
  afterAll(() => service.stop());

  it('is there: every metric that an alert or the dashboard asks for', () => {
    const { groups } = parse(readFileSync(alertsFile, 'utf8')) as { groups: { rules: { expr: string }[] }[] };
    const asked = metricsIn(groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)).join('\n') + dashboard);
    expect(asked.length).toBeGreaterThan(12);
    expect(asked.filter((name) => !exposed.includes(`# TYPE ${name} `))).toEqual(TO_COME);
  });

  it('counts from 0, so that the first failures after a start are an increase', () => {
    const counts = ['done', 'failed', 'lost'].flatMap((outcome) =>
      ['transcription', 'analysis', 'archive'].map(
        (queue) => `vivavoce_jobs_total{queue="${queue}",outcome="${outcome}"} 0`,
      ),
    );
    const uploads = ['committed', 'duplicate', 'failed'].map(
      (outcome) => `vivavoce_uploads_total{outcome="${outcome}",kind="answer"} 0`,
    );
    expect(atFirst.split('\n')).toEqual(expect.arrayContaining([...counts, ...uploads]));
  });

  it('counts what an answer passes', () => {
    expect(exposed).toMatch(/vivavoce_uploads_total\{outcome="committed",kind="answer"\} 1/);
    expect(exposed).toMatch(/vivavoce_jobs_total\{queue="transcription",outcome="done"\} 1/);
    expect(exposed).toMatch(/vivavoce_jobs_total\{queue="analysis",outcome="done"\} 1/);
    expect(exposed).toMatch(/vivavoce_transcription_real_time_factor_count\{engine="local\/[^"]+"\} 1/);
    expect(exposed).toMatch(
      /vivavoce_http_request_duration_seconds_count\{method="POST",route="\/api\/upload-answer\/\{session_id\}\/\{question_id\}",status="200"\} 1/,
    );
    expect(exposed).toMatch(/^vivavoce_disk_free_bytes [1-9]/m);
  });

  withPromtool(
    `has alerts that fire when they should${hasPromtool ? '' : ' [skipped: promtool is not installed]'}`,
    () => {
      const promtool = (...args: string[]) => spawnSync('promtool', args, { encoding: 'utf8' });
      expect(promtool('check', 'rules', alertsFile)).toMatchObject({ status: 0 });
      expect(promtool('check', 'config', join(deploy, 'prometheus/prometheus.yml'))).toMatchObject({ status: 0 });
      expect(promtool('test', 'rules', join(deploy, 'prometheus/alerts.test.yml'))).toMatchObject({ status: 0 });
    },
  );
});
