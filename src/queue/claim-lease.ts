import type { Claim, StageLedger } from '../uploads/stage-ledger.js';

/**
 * Renews a claim's lease for as long as it is worked on.
 *
 * @param lost is called when the stage is somebody else's, or must be taken for it
 * @returns the timer, to be cleared when the work is over
 */
export function keepLease(stages: StageLedger, claim: Claim, leaseS: number, lost: () => void): NodeJS.Timeout {
  const leaseMs = leaseS * 1000;
  let expires = claim.claimedAt.getTime() + leaseMs;
  return setInterval(() => {
    const asked = Date.now();
    stages.renew(claim).then(
      (held) => {
        if (held) expires = asked + leaseMs;
        else lost();
      },
      () => {
        // MongoDB is away: the lease is ours until it runs out, and then somebody else's.
        if (Date.now() > expires) lost();
      },
    );
  }, leaseMs / 3);
}
