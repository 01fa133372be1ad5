/** Semantic fields of oneself and one's way of working; see `PEOPLE_FIELDS` for how they are written. */
export const SELF_FIELDS: Readonly<Record<string, string>> = {
  failure: `fail failure mistake error wrong fault mess screw blunder slip oversight regret mess_up screw_up misjudge overlook forget
    confess admit own_up responsibility embarrassed embarrassing ashamed correct correction fix apologise apologize sorry lesson learn
    hindsight accident damage incorrect wrongly careless notice noticed consequence double_check check checklist twice again bug
    accidentally by_accident broke delete deleted lost missed unfortunately bad_news failed flop rejected defeat underestimate
    disappointed blame should_have could_have never_again`,
  setback: `as_planned setback obstacle go_wrong went_wrong unexpected unforeseen let_down derail crisis disappoint delay problem
    surprise delayed off_track overrun late behind cancel collapse underestimate optimistic replan recover rollback roll_back fallback
    contingency scope slip postpone salvage plan_b rescue overbudget risk stall blocked unfortunately broke failed changed requirement
    missing new_plan realistic reschedule weeks_late months_late stopped`,
  deadline: `deadline due tight late overtime hurry rush urgent pressure weekend overnight midnight deliver on_time in_time ahead_of
    finish finished hand_in handed_in submit countdown extension last_minute short_notice time_frame timeframe hour hours schedule stress
    stressful tomorrow tonight sprint cut_scope time_pressure days_left in_advance night launch_date morning divide prioritise prioritize
    nonessential essential extra_hours shift faster clock`,
  priority: `priority prioritise prioritize urgent urgency important first triage backlog rank importance list impact postpone wait
    deadline delegate calendar workload juggle schedule to-do say_no trade-off effort value matrix criteria compete block capacity order
    next_day time_box stakeholder multitask overload busy task consequence escalate critical at_once same_time today week plan focus
    interrupt`,
  learning: `learn study course training knowledge skill self-taught practise practice certificate education up-to-date new_to tutorial
    read book documentation teach certification curious curiosity unfamiliar new_technology new_software from_scratch beginner degree
    university exercise workshop mentor expert conference video videos manual try tried_out experiment understand figure_out figured_out
    never_had never_done no_idea basics ask_questions asked_questions first_time teach_myself taught_myself master language programming
    class lesson evening practice_project took_apart questions note notes explain lookup googled copy imitate watched theory exam fluent
    blog blogs podcast newsletter article articles subscribe meetup community up_to_date journal try_out side_project exchange seminar
    webinar open_source release_notes certification_course keep_up develop trend trends`,
  ambiguity: `ambiguous ambiguity unclear uncertain uncertainty unknown information missing_information incomplete incomplete_information
    vague assumption assume clarify missing requirement guess figure_out no_idea undefined explore experiment hypothesis
    not_know didn't_know forecast estimate probability no_data little_information worst_case best_case reversible undo gut judgement
    judgment risk`,
  decision: `decide decision choose choice option alternative dilemma weigh commit judgement judgment undo two_ways two_options unsure
    regret defend criteria risk risky consequence gut pros cons evaluate trade-off compare consider consideration data information
    uncertain irreversible reversible either in_favour in_favor against cancel go_ahead went_ahead hesitate worst_case responsibility
    wrong right outcome bet call_off called_off instinct safe gamble dare jump invest lose chance`,
  problemSolving: `problem solve solution cause root_cause investigate analyse analyze diagnose diagnosis symptom trace isolate
    hypothesis reproduce find_out figure_out troubleshoot clue pattern compare measure suspect eliminate narrow creative complex
    systematic puzzle workaround break_down test step_by_step turned_out reason discover evidence log bug hard_problem tricky
    nobody_could finally solved detective strange impossible tried logs data measured replaced step tested noticed fixed weird random
    intermittent expert cracked worked_out`,
  initiative: `initiative proactive improve improvement process streamline automate efficiency optimise optimize simplify innovate
    volunteer idea propose suggest proposal automation efficient inefficient bottleneck waste innovation redesign own_accord nobody_asked
    without_being save saved prototype side_project by_hand manual manually spreadsheet script template faster easier on_my_own convince
    noticed offered spare_time suggestion improved steps step form forms paper excel table signature sign approval merge merged
    unnecessary waiting wait shorten shortened per_week workflow standardise standardize cut remove removed duplicate errors quicker
    digital digitise digitize tool followed measure`,
  achievement: `achieve achievement accomplish accomplishment proud pride success succeed goal target reach award milestone prize
    successful win recognition record exceed promoted promotion highlight launch breakthrough celebrate degree graduate grew double
    increase reached from_scratch first_ever best hard_work overcome despite difficult happiest happy applause medal still_use still_runs
    percent nobody_believed congratulate published built thousand improved founded won_the managed finally result goals set_myself pass
    passed exam train trained marathon certificate diploma weight savings saved step steps small_step broke_it give_up gave_up discipline
    habit on_track year_later months`,
  creativity: `creative creativity idea invent imagination original unconventional unusual brainstorm outside_the imagine design sketch
    inspiration concept art novel outside_the_box improvise combine experiment play different_way fresh draw solution come_up came_up
    had_the clever trick invention inventive tinker build built made_from homemade instead cheap no_money no_budget laugh laughed funny
    crazy silly strange surprise surprised copied nobody_had thought_of remembered inspired colour color paint music film video photo
    game story humour humor crafted recycle reuse ideas`,
  stress: `stress stressed stressful pressure overwhelm overwhelmed burnout calm breathe breath pause break sleep exercise balance
    workload panic cope relax sport hectic intense focus rest run walk list priority prioritise prioritize delegate ask_for_help
    one_thing step_by_step deadline evening weekend yoga music switch_off organise organize stay_calm keep_calm adrenaline emergency
    slow_down next_step write_down busy cool_head breathe_in hectic_day shift rush prepare prepared experience preparation talk_to hands`,
  careerMove: `leave quit resign change_jobs current_job current_employer next_step new_challenge career promotion step move role towards
    away_from grateful current_company challenge opportunity grow growth develop stuck bored salary commute relocate relocation
    reorganisation reorganization layoff responsibility looking_for move_on contract notice same_thing routine new_role new_things
    no_longer outgrow direction ready advance position sold closing ceiling learn`,
  motivation: `motivate motivation interest passion enjoy purpose inspire drive attract profession position this_company why_here apply
    passionate interested excite excited mission values product admire reputation dream join contribute your_company your_team
    your_product your_work your_customers culture love fascinate fit meaningful vision opportunity read_about difference impact
    heard_about used_your believe skills happy proud curious satisfaction energy motivates progress solve solving result results see_the
    learning learn freedom responsibility challenge variety recognition grateful thanks feedback goal fun create build makes_me gets_me
    morning meaning sense`,
  background: `background experience graduate graduated degree university studied school career started currently role worked internship
    born grew_up moved joined specialise specialize major bachelor master apprenticeship hobby family profession trained qualified
    responsible position since looking_for grew training lived married moved_to town since_then passion interest hobbies free_time enjoy
    languages school_leaver assistant engineer teacher nurse manager after_school at_university first_job last_few`,
  future: `future five_years ten_years next_years two_years three_years long_term long_run long-term goal ambition aspire become vision
    grow growth myself see_myself plan expert specialise specialize lead senior career path own_business one_day eventually would_like
    i'd_like hope responsibility develop role learn stay step_by_step manage certificate promotion by_then until`,
  weakness: `weakness weak struggle hard_for bad_at not_good difficult_for hard_to perfectionist perfectionism procrastinate impatient
    impatience shy nervous delegate let_go say_no too_much too_long overthink disorganised disorganized stubborn blunt public_speaking
    improve working_on work_on tend habit aware remind get_better better_at uncomfortable trust details control criticism self-critical
    quiet introvert direct forget late interrupt multitask confidence sometimes_i`,
  strength: `strength strong good_at talent skill reliable persistent persistence organised organized analytical detail-oriented
    discipline adaptable flexible resourceful empathy energetic resilient thorough curious excel best_at colleagues_say people_say
    known_for calm quick_learner structured creative communicate natural easy_for rely depend stay_with team_player learn_fast count_on
    rely_on help listen solve persist colleagues manager_said others_say finish careful precise detail energy optimistic humour humor
    honest punctual loyal people_come`,
  planning: `plan planning organise organize schedule calendar project milestone roadmap timeline routine working_day structure to-do
    diary estimate scope budget resource stakeholder gantt kickoff agile scrum sprint kanban dependency requirement retrospective
    coordinate phase deliverable buffer risk status update launch task responsibility checklist list morning afternoon evening lunch
    mails email time_block structured first_thing order hours meetings overview weekly monday friday schedule_my write_down written_down
    paper app notebook reminder break breaks end_of priorities `,
};
