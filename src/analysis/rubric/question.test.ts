import { cpuSeconds } from '../../../test/support/cpu.js';
import { type QuestionKind, readQuestion } from './question.js';

/** Questions by what they ask for; the forms count, not what a question is about. */
const QUESTIONS: Readonly<Record<QuestionKind, readonly string[]>> = {
  experience: [
    'Tell me about a time you missed a train.',
    'Describe a situation where you had to wait. How would you do it today?',
    'Can you describe a conflict with a neighbour?',
    'What was the hardest bug you fixed?',
    'What was the hardest choice you had to make, and how would you make it now?',
    'Which team that you’ve led was the happiest?',
    'Give me an example of a goal you reached.',
    'Give me an example of teamwork.',
    'Share your experience with agile teams.',
    'Talk about your experience of night shifts.',
    'Walk me through a house you built.',
    'Tell us how you handled it.',
    'What would you say was your biggest failure?',
    'How would you describe a time when you were wrong?',
    'How did you react when your plan was refused?',
    'Have you worked with children?',
    'What is the hardest bug you fixed?',
    'Can you give an example of an apology?',
    'Give an example of when a plan failed.',
    'Why did the boat you built sink?',
  ],
  approach: [
    'How do you handle a situation where two people argue?',
    'How would you deal with the most difficult guests?',
    'In one case a customer complains: what do you do?',
    'What would you do if you found a purse?',
    'You found a purse on Friday. What do you do?',
    'Imagine that you were asked to lie. What would you do?',
    'How would you describe a colour to a child?',
    'Tell me how you would handle it.',
    'Walk me through how you would test a bridge.',
    'Walk me through your day.',
    'A customer sends you damaged goods. What would you do?',
    'Your boss gives you outdated requirements. What would you do?',
    'Someone gives you unsolicited feedback. What would you do?',
    'Suppose a colleague left you stranded. What would you do?',
    'A neighbour hands you unfinished work; what do you do?',
    'An audit shows you unexpected figures. How would you explain them?',
  ],
  knowledge: [
    'What happens at any time when a thread is in one situation of deadlock?',
    'What happens when you exceed the limit?',
    'What happens to a file that you put into a bin?',
    'Explain what a rhyme is and give an example of one.',
    'What is an example of a prime number?',
    'Give an example of a prime number.',
    'What can you tell me about steel?',
    'Tell me about how a lock works.',
    'In your experience with databases, which one is fastest?',
    'When would you use a rope?',
  ],
  personal: [
    'Tell me about yourself.',
    'What is your greatest weakness?',
    'Why do you want to work here?',
    'Why are you interested in this role?',
    'Why have you applied for this job?',
    'Tell me why you left your last job.',
    'Are you motivated by money?',
    'What are your strengths and how have you used them?',
    'What keeps you motivated?',
  ],
};

describe('what kind of answer a question asks for', () => {
  for (const [kind, questions] of Object.entries(QUESTIONS)) {
    it.each(questions)(`is ${kind} for “%s”`, (text) => {
      expect(readQuestion(text).kind).toBe(kind);
    });
  }

  it.each(['', '?', 'you', 'you '.repeat(4_000), 'tell me about you led '.repeat(900)])(
    'is told of any text, in time by its length',
    async (text) => {
      expect(await cpuSeconds(() => readQuestion(text))).toBeLessThan(2);
    },
  );
});
