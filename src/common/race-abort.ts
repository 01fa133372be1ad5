/** Fails with the signal's reason as soon as it is aborted, whether or not the work heeds it. What the work does then is nobody's. */
export async function raceAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let end = (): void => undefined;
  const ended = new Promise<never>((_, reject) => (end = () => reject(signal.reason as Error)));
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  work.catch(() => undefined);
  try {
    return await Promise.race([work, ended]);
  } finally {
    signal.removeEventListener('abort', end);
  }
}
