import { plain } from './words.js';

/*
 * An answer speaks to an interviewer about its subject. Words about its own score, or orders to whoever scores it, are not part of it.
 * The patterns ask for the form of address, not for the word alone: people do speak of ratings, grades and scores in their stories.
 * Every gap is bounded, so that they run in linear time.
 */
const praise = String.raw`(?:full|top|max(?:imum)?|high(?:est|er)?|perfect|extra|good|best|all(?: the)?|100|one hundred|hundred|ten out of ten|10\/10)`;
const reward = String.raw`(?:marks?|points?|scores?|ratings?|grades?|credits?)`;
const grader = String.raw`(?:grader|scorer|evaluator|examiner|marker|assessor|ai|language model|llm|chatbot|assistant|scoring (?:system|model|engine))`;

const addresses: readonly RegExp[] = [
  String.raw`\b(?:give|award|grant|assign)\s+(?:me|us|this|my|it)\b[^.]{0,40}\b(?:${reward}|a pass|100|hundred|10\/10|a ten)(?!\w)`,
  String.raw`\b${praise}\s+${reward}\b[^.]{0,20}\bplease\b`,
  String.raw`\bplease\b[^.]{0,30}\b${praise}\s+${reward}\b`,
  String.raw`\b(?:please|kindly|you (?:must|should|can|could|may|will|have to))\s{1,3}(?:now |just ){0,2}(?:score|grade|rate|mark|evaluate|pass|rank)\s+(?:me|this|my|it|the answer)\b`,
  String.raw`^(?:score|grade|rate|mark|evaluate|rank)\s+(?:me|this|my|it|the answer)\b`,
  String.raw`\b(?:ignore|disregard|forget|override|bypass)\s+(?:all |any |the |your |every |of |my ){0,4}(?:previous |prior |above |earlier |other |preceding |existing ){0,2}(?:instructions?|prompts?|rubrics?|(?:scoring |grading )(?:rules?|criteria|guidelines?))\b`,
  String.raw`\b(?:dear|hey|hi|hello|attention|note to(?: the)?|you are(?: now)? an?|you're(?: now)? an?)\s+(?:\w{1,20}\s){0,2}${grader}\b`,
  String.raw`\bas an? ${grader},? you\b`,
  String.raw`^(?:system|assistant|developer)\s?(?:prompt|message|instruction|override)?\s?:`,
  String.raw`\b(?:this|my)\s+(?:answer|response)\s+(?:deserves|should (?:get|be|receive|score)|must (?:get|be|receive|score)|is (?:an? )?(?:excellent|perfect|outstanding|flawless|highly|fully|completely|relevant|worth))\b`,
  String.raw`\b(?:set|make|change|put)\s+(?:the|my|this|all|every|each)\s+(?:\w{1,20}\s){0,2}(?:scores?|ratings?|grades?)\s+(?:to|at|as)?\b`,
  String.raw`\b(?:relevance|structure|specificity|depth|delivery|(?:my|overall|total|final) (?:score|rating|grade))\s?(?:score)?\s?[:=]\s?\d`,
  String.raw`\bi\s(?:really |truly |do |so |just ){0,3}deserve\b[^.]{0,40}\b(?:${reward}|this job|to be hired|to pass|a ten)\b`,
  String.raw`\bi(?:'d| would| really| just| do| am| beg| ask){0,3}\s(?:want|need|like|beg|ask|begging|asking)\b[^.]{0,30}\b${praise}\s+${reward}\b`,
  String.raw`\b(?:please|just)\s(?:\w{1,20}\s){0,2}(?:hire|choose|pick|select|pass)\s+me\b`,
  String.raw`\bthe\s+${grader}\s+(?:should|must|will|has|needs)\s+(?:\w{1,20}\s){0,3}(?:give|given|award|awarded|score|scored|grade|graded|rate|rated|mark|marked|pass|passed|decided|agreed)\b`,
  String.raw`\b(?:output|return|print|write|report)\s+(?:an? |the |only )?(?:score|rating|grade)s?\b`,
].map((pattern) => new RegExp(pattern));

/** True of a sentence about the answer's own score, or one that gives orders to whoever scores it. */
export function isToTheGrader(sentence: string): boolean {
  const text = plain(sentence);
  return addresses.some((pattern) => pattern.test(text));
}
