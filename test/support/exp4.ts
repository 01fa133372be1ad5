import { Stand, noise } from './stand.js';
const delay = (ms: number) => new Promise((r) => setTimeout(r, ms));
async function main() {
  const stand = await Stand.start();
  const api = await stand.api();
  const user = await stand.user('a');
  await user.createSession('s');
  const codes: Record<string, number> = {};
  const end = Date.now() + 70_000;
  const bad: any[] = [];
  const up = Promise.all(Array.from({ length: 8 }, async (_, k) => { for (let i = 0; Date.now() < end; i++) { const a = await user.upload('s', `q${k}-${i % 3}`, noise(`${k}/${i}`, i % 7 === 0 ? 1_300_000 : 5000)).catch(() => null); if (!a) continue; codes[a.status] = (codes[a.status] ?? 0) + 1; if (a.status === 500 || a.status === 400) bad.push(a); } }));
  let n = 0;
  while (Date.now() < end) { n++; await delay(300 + Math.random() * 500); if (n % 6 === 0) { await stand.mongo.kill(); await delay(Math.random() * 800); await stand.mongo.start(); } else if (n % 11 === 0) { stand.mongo.pause(); await delay(5500); stand.mongo.resume(); } else stand.mongoNetwork.cut(); }
  await up; await delay(500);
  console.log(codes);
  for (const b of bad) { const l = api.about(b.json?.correlation_id).map((x) => JSON.stringify([x.msg, x.err]).slice(0, 1500)); console.log(b.status, JSON.stringify(b.json), l); }
  await stand.stop();
}
main().catch(console.error);
