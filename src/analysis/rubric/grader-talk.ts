import { plain } from './words.js';

/*
 * An answer speaks to an interviewer about its subject. Words about its own score, or orders to whoever scores it, are not part of it.
 * The patterns ask for the form of address and for what is begged for, not for the word alone: people do speak of ratings, grades and scores
 * in their work, and tell others to pass, mark or rate things. Every gap is bounded, so that they run in linear time.
 */
const praise = String.raw`(?:full|top|max(?:imum)?|high(?:est|er)?|perfect|extra|good|best|all(?: the)?|100|one hundred|a? ?hundred|ten out of ten|10\/10)`;
const reward = String.raw`(?:marks?|points?|scores?|ratings?|grades?|credits?)`;
const grader = String.raw`(?:grader|scorer|evaluator|examiner|marker|assessor|ai|language model|llm|chatbot|assistant|scoring (?:system|model|engine))`;
/** A number as a mark: "100", "10 out of 10", "ten"; not that of "100 licences" or "40 amps". */
const mark = String.raw`(?:(?:an? |the )?(?:100|one hundred|hundred|10|ten)(?= ?(?:$|[.!?,;]|\/ ?10|percent|per cent|% ?(?:$|[.!?,;])|points?|marks?|out of|please))|five stars)`;
/** The best there is, in numbers or words. */
const best = String.raw`(?:${mark}|(?:an? |the |my )?(?:very )?${praise} ${reward}|(?:perfect|excellent|outstanding|flawless|the (?:max|maximum|highest|best)|maximum)(?= ?(?:$|[.!?,;]|please)))`;
const own = String.raw`(?:my|this) (?:answer|response|interview|performance|application|submission)`;

/** Where a command begins: a clause, "please", "you must", "I want you to"; "they had to give us" and "I give it" are none. */
const command =
  String.raw`(?:^|[.,;:!?–—-] ?|\b(?:please|kindly|just|so|now|therefore) |\byou (?:really |simply |just ){0,2}(?:must|should|can|could|may|will|shall|have to|need to|ought to) |` +
  String.raw`\b(?:can|could|would|will) you |\b(?:want|need|ask|beg|urge|like|order|command) you to |` +
  // "… and give me": a second command, as long as nobody else is spoken of.
  String.raw`^(?:(?!\b(?:i|we|he|she|they|it|who|that|which|would)\b)[^.]){0,80}\b(?:and|then) )(?:please |kindly |just |now |simply |then ){0,2}`;
/** Where a command to disregard something begins, or is handed on; people who themselves disregarded something tell a story. */
const handedOn = String.raw`(?<!\b(?:i|we|they|he|she|people|who|never|not|don't|didn't|would|could|might) )(?<!(?<!\b(?:you|grader|scorer|ai|model) )\bto )`;

const addresses: readonly RegExp[] = [
  String.raw`${command}(?:give|award|grant|assign) (?:me|${own})\b[^.]{0,40}\b(?:${reward}|a pass)(?!\w)`,
  String.raw`${command}(?:give|award|grant|assign) (?:me|us|it|this|${own})\b(?: [\w-]{1,20}){0,4} ${best}`,
  String.raw`\b${praise} ${reward}\b[^.]{0,20}\bplease\b`,
  String.raw`\bplease\b[^.]{0,30}\b${praise} ${reward}\b`,
  String.raw`${command}(?:score|grade|rate|mark|evaluate|rank|pass) ${own}\b`,
  String.raw`${command}(?:score|grade|rate|mark|evaluate|rank) me\b`,
  String.raw`${command}pass me(?= ?(?:$|[.!?,;]|please|now|on this|in this))`,
  String.raw`${command}(?:score|grade|rate|mark|evaluate|rank) (?:this|it|the (?:answer|response|candidate))\b(?: (?:as|at|with|an?|the|being)){0,2} ${best}`,
  String.raw`${handedOn}\b(?:ignore|disregard|forget|override|bypass) (?:all |any |the |your |every |of |my ){0,4}(?:previous |prior |above |earlier |other |preceding |existing ){0,2}(?:instructions?|prompts?|rubrics?|(?:scoring |grading )(?:rules?|criteria|guidelines?))\b`,
  String.raw`(?:^|[.,;:!?–—-] ?)(?:dear|hey|hi|hello|attention|note to)[,:!]? (?:(?:dear|the|my|mr|mrs|automated|automatic) ){0,2}${grader}\b`,
  String.raw`(?:^|[.,;:!?–—-] ?)(?:you are(?: now)? an?|you're(?: now)? an?) (?:\w{1,20} ){0,2}${grader}\b`,
  String.raw`\bas an? ${grader},? you\b`,
  String.raw`^(?:system|assistant|developer) ?(?:prompt|message|instruction|override)? ?:`,
  String.raw`\b(?:this|my) (?:answer|response) (?:deserves|(?:should|must) (?:get|receive|score|be (?:given|awarded|scored|graded|rated|marked))\b[^.]{0,30}\b(?:${reward}|${mark}|high(?:ly|est)?|best)|is (?:an? )?(?:excellent|perfect|outstanding|flawless|(?:highly|fully|completely) relevant|relevant|worth ${best}))(?!\w)`,
  String.raw`${command}(?:set|make|change|put) (?:the|my|this|all|every|each) (?:\w{1,20} ){0,2}(?:scores?|ratings?|grades?) (?:to|at|as)? ?${best}`,
  String.raw`(?:^|[.,;!?] ?)(?:relevance|structure|specificity|depth|delivery|(?:my|overall|total|final) (?:score|rating|grade)) ?(?:score)? ?[:=] ?(?:100|[89]\d|10 ?\/ ?10)\b`,
  String.raw`\bi (?:really |truly |do |so |just ){0,3}deserve\b[^.]{0,40}\b(?:${reward}|this job|to be hired|to pass|a ten)\b`,
  String.raw`\bi(?:'d| would| really| just| do| am| beg| ask){0,3} (?:want|need|like|beg|ask|begging|asking)(?: to (?:get|have|receive))?(?: for)?(?: an?| the| my)?(?: very)? ${praise} ${reward}(?= ?(?:$|[.!?,;]|please|for (?:this|my)|from you))`,
  String.raw`\b(?:please (?:\w{1,20} ){0,2}|just )(?:hire|choose|pick|select|pass) me\b`,
  String.raw`\bthe ${grader} (?:should|must|will|has|needs)\b[^.]{0,40}\b(?:(?:give|award|score|grade|rate|mark|pass) (?:me|${own})\b|${praise} ${reward}\b)`,
  String.raw`${command}(?:output|return|print|write|report) (?:an? |the |only ){0,2}(?:score|rating|grade)s? ?(?:of|as|is|=|:)? ?${best}`,
].map((pattern) => new RegExp(pattern));

/** True of a sentence about the answer's own score, or one that gives orders to whoever scores it. */
export function isToTheGrader(sentence: string): boolean {
  const text = plain(sentence).replaceAll(/\s+/g, ' ').trim();
  return addresses.some((pattern) => pattern.test(text));
}
