import type { Vocabulary } from './encoder-weights.js';

/** Where a word begins. */
const SPACE = '▁';
const UNKNOWN = 0;
/** The vocabulary's first pieces are marks and not text. */
const MARKS = 6;
/** What a character costs that no piece has. */
const UNKNOWN_SCORE = -20;

interface Best {
  score: number;
  /** The last piece on the way here, and where it begins. */
  piece: number;
  from: number;
}

/** Cuts text into the pieces that are likeliest together: a unigram model as SentencePiece has it (Kudo 2018), by Viterbi's algorithm. */
export class SentencePieces {
  private readonly pieces = new Map<string, { piece: number; score: number }>();
  private readonly longest: number;

  constructor(vocabulary: Vocabulary) {
    vocabulary.forEach(([text, score], piece) => {
      if (piece >= MARKS) this.pieces.set(text, { piece, score });
    });
    this.longest = Math.max(...[...this.pieces.keys()].map((text) => [...text].length));
  }

  /** Numbers of the pieces of a text, in order; 0 for what no piece has. Linear in the text. */
  of(text: string): number[] {
    const normal = text.normalize('NFKC').trim();
    if (normal === '') return [];
    const characters = [...(SPACE + normal.replace(/\s+/gu, SPACE))];
    const best: Best[] = [{ score: 0, piece: UNKNOWN, from: 0 }];
    for (let end = 1; end <= characters.length; end++) best.push(this.bestTo(end, characters, best));

    const found: number[] = [];
    for (let end = characters.length; end > 0; end = best[end]!.from) {
      // Unknown characters in a row are one piece.
      if (best[end]!.piece !== UNKNOWN || found.at(-1) !== UNKNOWN) found.push(best[end]!.piece);
    }
    return found.reverse();
  }

  private bestTo(end: number, characters: readonly string[], best: readonly Best[]): Best {
    let found: Best = { score: best[end - 1]!.score + UNKNOWN_SCORE, piece: UNKNOWN, from: end - 1 };
    let text = '';
    for (let from = end - 1; from >= Math.max(0, end - this.longest); from--) {
      text = characters[from]! + text;
      const known = this.pieces.get(text);
      if (!known) continue;
      const score = best[from]!.score + known.score;
      if (score > found.score) found = { score, piece: known.piece, from };
    }
    return found;
  }
}
