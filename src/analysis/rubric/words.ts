import { stemmer } from 'stemmer';

function wordsOf(text: string): Set<string> {
  return new Set(text.trim().split(/\s+/));
}

/** Words that carry grammar, not content. Ordinary speech is 40 to 60 % of them, a list of keywords hardly any. */
export const FUNCTION_WORDS =
  wordsOf(`a an the this that these those some any each every either neither both all no not none
  i me my mine myself we us our ours ourselves you your yours yourself he him his himself she her hers herself it its itself they them
  their theirs themselves one ones who whom whose which what whatever when whenever where wherever why how
  and or but nor so yet if then than because since although though while whereas unless until as of at by for with about against
  between into through during before after above below to from up down in out on off over under again further once here there
  am is are was were be been being have has had having do does did doing will would shall should can could may might must ought
  i'm i've i'd i'll we're we've we'd we'll you're you've you'd you'll he's he'd he'll she's she'd she'll it's it'd it'll they're
  they've they'd they'll that's there's what's who's where's here's let's isn't aren't wasn't weren't haven't hasn't hadn't don't
  doesn't didn't won't wouldn't shan't shouldn't can't cannot couldn't mustn't ain't gonna wanna
  very too also just only even still already ever never always often sometimes maybe perhaps quite rather really actually basically
  literally simply almost enough much many more most less least few several such same other another own else anyway however therefore without within despite upon per via toward towards across among along beside besides beyond near onto except
  unlike due
  thus well yes yeah yep nope ok okay oh um uh er erm ah hmm mm like please`);

/** Words said in every interview, whatever it is about: they say little about what an answer or a question is on. */
const EVERYDAY_WORDS =
  wordsOf(`work job company team project people person colleague coworker manager boss time day week month year
  thing stuff something anything everything nothing someone somebody anyone everybody everyone nobody lot bit kind sort way part
  get go make take give come know think see look want need try use find tell say ask feel seem become let keep put start begin end
  stop happen mean call talk show help turn work run bring set point place case fact example instance situation experience describe
  explain discuss share tell walk give mention question answer handle deal face faced approach manage ensure sure good great bad better
  best big small new old long short high low little right next last first second two three four five able different difficult hard easy
  important main greatest biggest favorite favourite recent recently current currently previous usually normally today tomorrow
  yesterday now later ago back away around together actually guess certain possible specific whole real man woman guy lady went got
  made took gave came knew thought saw wanted needed tried used found told said asked felt became`);

const IRREGULAR = new Map(
  `led:lead taught:teach chose:choose chosen:choose built:build broke:break broken:break wrote:write written:write fell:fall fallen:fall
  grew:grow grown:grow sold:sell won:win lost:lose thought:think brought:bring bought:buy caught:catch found:find fought:fight kept:keep
  made:make met:meet paid:pay ran:run said:say saw:see seen:see sent:send spent:spend spoke:speak spoken:speak stood:stand
  took:take taken:take told:tell understood:understand went:go gone:go goes:go began:begin begun:begin drove:drive driven:drive felt:feel
  held:hold knew:know known:know meant:mean rose:rise slept:sleep threw:throw cut:cut dealt:deal got:get gave:give given:give
  forgot:forget forgotten:forget hurt:hurt heard:hear chosen:choose drew:draw drawn:draw people:person children:child men:man women:woman
  indices:index indexes:index indexing:index analyses:analysis analysed:analyse worse:bad worst:bad better:good best:good
  came:come became:become lay:lie shook:shake quit:quit shown:show wrong:wrong disagreement:disagree disagreements:disagree
  argument:argue arguments:argue complaint:complain complaints:complain failure:fail failures:fail weaknesses:weakness
  urgency:urgent urgently:urgent priorities:priority prioritise:priority prioritize:priority prioritised:priority prioritized:priority
  anger:angry angrily:angry tests:test testing:test tested:test resolution:resolve explanation:explain explanations:explain
  decision:decide decisions:decide choice:choose choices:choose solution:solve solutions:solve failed:fail leadership:lead leader:lead
  used:use uses:use using:use user:user users:user learnt:learn learned:learn mistakes:mistake`
    .trim()
    .split(/\s+/)
    .map((pair) => pair.split(':') as [string, string]),
);

/** Words that Porter's algorithm would take for forms of others: "customer" for "customs", "important" for "import". */
const WHOLE = new Map(
  `customer:customer customers:customer important:important importance:important university:university universities:university
  event:event events:event news:news authority:authority authorities:authority general:general organ:organ policy:policy
  policies:policy police:police international:international internship:internship internships:internship past:past
  personality:personality personal:personal personally:personal`
    .trim()
    .split(/\s+/)
    .map((pair) => pair.split(':') as [string, string]),
);

/** Longer ones are no words of a language, and Porter's rules need not look at them. */
const LONGEST_WORD = 32;

const stems = new Map<string, string>();
const STEMS_KEPT = 20_000;

/** Lower-cased word → its stem, by Porter's algorithm after the common irregular forms. */
export function stemOf(word: string): string {
  const known = stems.get(word);
  if (known !== undefined) return known;
  const base = word.endsWith("'s") ? word.slice(0, -2) : word;
  const stem = WHOLE.get(base) ?? (base.length > LONGEST_WORD ? base : stemmer(IRREGULAR.get(base) ?? base));
  if (stems.size < STEMS_KEPT) stems.set(word, stem);
  return stem;
}

const everydayStems = new Set([...EVERYDAY_WORDS].map(stemOf));

/** True of a word that any interview answer may hold, whatever it is about. */
export function isEveryday(stem: string): boolean {
  return everydayStems.has(stem);
}

const wordPattern = /[\p{L}\p{N}]+(?:['’.,-][\p{L}\p{N}]+)*/gu;

/** The words of a text as they were written. */
export function tokenize(text: string): string[] {
  return text.match(wordPattern) ?? [];
}

/** Lower case, straight apostrophes: how words are looked up here. */
export function plain(word: string): string {
  return word.toLowerCase().replaceAll('’', "'");
}
