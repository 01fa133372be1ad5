/**
 * How long tests wait for a state that must come. A machine that stands still for half a minute under its neighbours' load breaks
 * nothing of the service, so it fails no test; only what never comes does, and then a little later.
 */
export const PATIENCE_MS = 150_000;
