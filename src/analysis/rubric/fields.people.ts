/**
 * Semantic fields, in the manner of a thesaurus: what people speak of when they speak of the field. General English for any interview; no
 * field belongs to a question. `a_b` is two words side by side; any form of a word counts.
 */
export const PEOPLE_FIELDS: Readonly<Record<string, string>> = {
  conflict: `disagree conflict argue dispute clash tension quarrel oppose objection resolve difficult_person difficult_colleague
    personality work_with disagreement argument opinion viewpoint perspective opponent object pushback push_back pushed_back compromise
    mediate mediator heated stubborn resent resentment friction confront confrontation fight convince persuade listen common_ground
    middle_ground agree agreement calmly respect misunderstanding blame insist reconcile resolution concern back_and_forth see_eye
    against fault unfair accuse rival jealous grudge ego bitter hostile cold silent_treatment toxic apologise apologize peace truce
    settle differ different_opinion point_of_view refuse privately in_private one_on_one annoyed offended upset talk_over interrupt
    contradict complain coffee talk_to talked_to spoke_to openly tone mood trust get_along got_along raise_voice ignore gossip dominate
    aggressive rude respectful clear_the_air other_side quiet loud silent different_from opposite character characters introvert
    extrovert get_on each_other both nerves crazy mad sit_down worry worried propose proposal bad_idea good_idea good_point concede
    both_of we_both`,
  persuasion: `persuade convince influence buy-in support approve approval win_over sceptical pitch argue champion idea skeptical
    evidence data demonstrate prove pilot trial stakeholder reluctant resist no_authority benefit concern objection ally won_over
    business_case budget executive sponsor proposal show story doubt yes convinced against board director vote in_favour in_favor laugh
    laughed sceptic doubtful trial_run test results count explain advantage agree agreed presentation present suggest pay_off example
    resistance understand`,
  emotion: `angry anger furious upset annoyed frustrated frustrating irritated shout yell scream rude aggressive insult complain
    complaint cry tears afraid fear scared frightened nervous calm calm_down apologise apologize sorry patience polite kindly empathy
    sympathy unhappy disappointed hurt mad de-escalate soothe listen worried anxious panic loud swear tense vent raise_voice raised_voice
    relieved reassure emotional temper rant swearing demand demanded comfort console hug sad sadness soothing voice quiet
    slowly slow_down distract toy song homesick `,
  customer: `customer client guest buyer shopper passenger consumer visitor patron caller subscriber complaint refund exchange
    replacement replace warranty service satisfied satisfaction unhappy loyal loyalty hotline helpdesk counter reception compensation
    compensate voucher discount apologise apologize order purchase account expectation shop store restaurant hotel branch phone_call
    cancel cancellation broken faulty return resolve follow_up thank thanked manager wait waiting queue delivery bill room booking
    reservation regular review rating extra_mile above_and_beyond surprise grateful smile recommend remember personally personal drove
    evening holiday gift happy call_back called_back letter lost_customer cancelled competitor offer trial contact
    repair understand sales price come_back`,
  teamwork: `team together teammate colleague coworker cooperate cooperation collaborate collaboration share help support contribute
    contribution common_goal joint group cross-functional department pair divide divided split role trust each_other strength partner
    jointly side_by_side coordinate join combined complement morale spirit everyone both_of work_together worked_together everyone_s rely
    reliable meeting communicate project`,
  support: `help support assist struggle overwhelmed stuck teammate colleague encourage alongside struggling overworked behind alone
    lonely newcomer new_colleague encouragement confidence confident reassure listen patience afraid scared cry tears stress worried
    sit_down sat_down side_by_side step_by_step explain show_him show_her showed_him showed_her take_over took_over thank thanked
    thankful grateful advice cover back_up comfort check_in notice noticed offer offered trouble need_help ask_for company courage
    well_done kind`,
  leadership: `lead leader leadership manage supervise team_lead in_charge responsible delegate direct guide manager vision motivate
    inspire supervisor empower decision trust accountable steer staff crew head_of captain rally authority oversee coordinate role_model
    involve ownership foreman report_to chief appoint organise organize assign morale example set_goals one-on-one meeting expectation
    delegated hand_over handed_over let_them task strengths control check_in follow_up set_up took_charge take_charge volunteer
    volunteers direction clear result style decisions goals goal weekly half_hour praise strict freedom autonomy listen cooperative
    my_people my_team everyone impatient early mistakes respect close`,
  mentoring: `mentor coach train trainer teach apprentice trainee junior intern newcomer new_hire new_colleague onboard guidance coaching
    onboarding develop grow growth encourage shadow show explain newbie novice pair patience progress potential feedback independent
    confidence step_by_step graduate questions review practise practice lesson`,
  change: `change transition reorganise reorganize restructure merge merger transform transformation adapt adopt adoption resist
    resistance reluctant sceptical skeptical against introduce introduction rollout roll_out new_system new_way old_way pilot training
    buy-in involve fear unpopular reorganisation reorganization migration migrate replace switch habit accept acceptance oppose
    opposition announce announcement relocation close closure downsize decided_above complain advantage benefit convince explain get_used
    got_used workshop uncertain concerns protest union`,
  communication: `communicate communication explain explanation understand clarity present presentation speech audience misunderstanding
    tell jargon complicated non-technical clear clearly simple simply plain slides misunderstand understood message speak listen summary
    summarise summarize repeat question language translate translation interpreter picture diagram draw example ask feedback word words
    write meeting email show analogy layman confirm check paraphrase slowly nod gesture visual leaflet instruction term terms vocabulary
    briefing metaphor slide stage nervous crowd talk speaker expert non-expert story microphone rehearse rehearsed handout attention
    boring interest opening joke engage demo lay_person technical board management bad_news good_news news honest direct plain_words
    quiet conversation in_person door console reasons inform announce deliver silence`,
  feedback: `feedback criticism criticise criticize critique review appraisal constructive improve improvement comment remark point_out
    defensive praise honest suggestion one-on-one evaluation performance_review harsh blunt take_personally hear listen reflect change
    grateful accept hurt specific behaviour behavior tone reaction react wake-up surprised disappointed sting defend afraid true right
    thought_about shorter clearer better boss supervisor told manager thanked habit ego grow tried_to since_then annual weakness
    colleagues`,
  employeePerformance: `performance underperform underperformance employee staff appraisal poor decline drop low_performer demotivated
    warning written_warning improvement_plan expectation dismiss dismissal terminate slack lazy laziness absent absence unreliable
    standard motivation private_problems personal_problems reason conversation talk in_private privately alone hr human_resources
    consequence follow_up goals set_goals target feedback support fair document review coach workload late deadline mistakes improve
    illness burnout family productivity output attitude punctual reliable hear_out help training`,
  hiring: `hire recruit recruitment candidate interview applicant vacancy resume talent selection hiring recruiter reference offer
    headcount probation cv advert shortlist onboarding turnover retention salary culture_fit assessment trial_day fit team_player
    motivated fast_learner skill skills strength strengths bring contribute experience qualified know_how results-driven profile
    requirements background offer_you value right_person years job company`,
  diversity: `diverse diversity culture cultural inclusion background foreign international different_from different_backgrounds language
    bias inclusive gender accent minority foreigner country abroad tradition religion custom time_zone women disability equal equality
    discrimination stereotype respect nationality immigrant misunderstanding translate quiet loud opposite respect_each adapt english
    german french dutch indian italian spanish polish chinese american british brazilian turkish african asian european multinational
    countries colleagues_from people_from direct politeness holidays`,
  remote: `remote home_office remotely distributed video_call timezone time_zone zoom async asynchronous chat hybrid office camera
    isolated virtual laptop at_home call meeting written document overlap`,
  negotiation: `negotiate negotiation offer price discount contract terms concession supplier vendor deal bargain agreement counteroffer
    leverage quote tender procurement purchase condition walk_away compromise win-win percent budget haggle sign`,
  sales: `sale sell pitch prospect lead quota revenue deal close pipeline cold_call upsell crm target commission objection buyer
    territory demo proposal contract client account_manager competitor convert`,
  ethics: `ethic ethical unethical wrong honest honesty moral dilemma integrity right_thing principle confidential lie dishonest
    confidentiality cheat steal theft fraud unfair fair report values whistle bribe conscience refuse transparent privacy policy rule
    rules uncomfortable pressure compliance cover_up falsify fake illegal trust speak_up gift loyalty boss supervisor consequence law
    procedure truth true lied numbers sign signed backdate sample record records hide hid consequences probation report_it told_him
    told_her feel_good comfortable honest_with safety short_cut shortcut bend`,
};
