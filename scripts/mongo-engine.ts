import { resolveMongoEngine } from '../src/embedded/mongo-engine.js';

// Prints the name of the best MongoDB engine of this machine; exit code 1 when there is none that keeps its data.
resolveMongoEngine({ mayDownload: true, say: (message) => console.error(message) }).then(
  (engine) => {
    console.log(engine.name);
    process.exit(engine.keepsData ? 0 : 1); // a download that was given up would hold this process
  },
  (error: Error) => {
    console.error(error.message);
    process.exit(1);
  },
);
