/** Semantic fields of computing; see `PEOPLE_FIELDS` for how they are written. */
export const COMPUTING_FIELDS: Readonly<Record<string, string>> = {
  database: `database sql query table row column index join key schema postgres postgresql mysql oracle mongodb nosql transaction
    normalise normalize normalisation select insert update delete record storage primary_key foreign_key b-tree scan planner plan lookup
    disk page partition shard replica replication backup relational document acid lock write read sorted full_table constraint isolation
    commit rollback consistency consistent atomic cursor orm migration data slow_query store`,
  performance: `slow slower fast faster speed performance latency throughput cache caching profile profiler bottleneck optimise optimize
    load measure benchmark millisecond second memory cpu response_time render compress lazy scale percentile bandwidth timeout quick
    quicker quickly trace hot_path expensive round_trip preload network server image bundle`,
  scaling: `scale scalable scalability horizontal vertical load_balancer balancer replica shard queue cache traffic million capacity
    stateless cluster throughput elastic bottleneck rate_limit limit autoscale partition cdn peak spike users concurrent backpressure
    instances servers node hotspot shed session sessions queries pool index queue_length grow`,
  network: `network internet http https tcp udp ip dns domain host server client request response packet port socket protocol url address
    tls ssl certificate handshake router route firewall proxy connection connect browser header cookie latency resolver bandwidth
    name_server lookup cdn load_balancer html status_code enter wifi load`,
  web: `web website page browser html css javascript frontend dom render vue angular component image script server request responsive
    mobile site layout click button user link asset url load download tab network tool paint bundle form font stylesheet developer_tools
    ajax cookie framework hydrate single-page`,
  security: `security secure insecure protect attack attacker hacker hack password encrypt encryption hash salt token login sign_in
    authentication authenticate authorisation authorization permission vulnerability injection xss csrf breach phishing firewall leak
    malware exploit patch secret certificate mfa second_factor two-factor penetration audit threat access session steal theft thief
    bcrypt argon2 plain_text https tls passkey brute_force guess rate_limit throttle input sanitise sanitize validate escape
    least_privilege credentials credential user application key identity role roles verify allowed allow deny access_control admin oauth
    jwt fingerprint badge identify policy rights resource cookie`,
  testing: `test tester testing unit_test integration_test end-to-end edge_case test_case automate regression bug qa quality assert
    coverage mock manual invalid valid boundary input scenario error_message browser device reproduce happy_path negative verify
    acceptance release check expected exploratory staging data empty failure unusual build try_to break double_click values mobile_phone
    slow_connection users customer checklist`,
  payment: `payment pay paid card credit_card debit charge checkout refund invoice bank transaction amount currency decline declined
    wallet paypal stripe fraud order price total expired receipt merchant shop cart money provider`,
  deployment: `deploy deployment release pipeline ci build commit merge branch git docker container kubernetes staging production
    rollback canary feature_flag environment version artifact continuous automate infrastructure terraform cloud aws azure image
    blue-green zero_downtime migration health_check automatic automatically tested`,
  operations: `incident outage downtime down alert monitor monitoring log logs on-call crash restart server metric dashboard postmortem
    root_cause rollback recover failover backup disaster pager uptime sla infrastructure restore production status mitigate escalate
    broke timeline customers`,
  codeQuality: `code review reviewer refactor refactoring clean readable maintainable technical_debt debt legacy function method class
    naming style pattern solid duplicate lint test pull_request merge_request module complexity rewrite maintain readability clever`,
  programming: `variable function type object class interface inheritance inherit closure scope pointer reference garbage_collection
    garbage_collector compile compiler compile-time interpret runtime exception null generic polymorphism immutable mutable static
    dynamic syntax callback promise javascript typescript python java rust value argument parameter return memory allocate instance
    method program language composition heap stack root roots reachable unreachable mark sweep generation generational young old
    collector collect pause pauses free memory_leak leak objects allocation compact count cycle`,
  concurrency: `thread process concurrent concurrency parallel lock mutex deadlock race race_condition async asynchronous scheduler
    context_switch memory shared share address_space stack heap core cpu isolate isolation crash semaphore fork operating_system
    event_loop blocking goroutine synchronise synchronize atomic wait starvation`,
  algorithms: `algorithm array list linked_list tree hash hash_table map heap stack queue graph sort search binary recursion recursive
    complexity linear logarithmic log constant node edge pointer dynamic_programming lookup insert balanced big_o iterate loop index
    worst_case quadratic element`,
  architecture: `architecture design service microservice monolith monolithic api endpoint rest graphql queue message event interface
    coupling coupled cohesion layer component module boundary contract gateway consistency idempotent idempotency retry schema versioning
    version domain distributed webhook deploy independent split team dependency database network scale deployable release released
    tracing timeout timeouts container containers complex complexity monitoring application applications resource resources verb verbs
    patch status_code status json documentation docs pagination paginate backwards compatible breaking client clients consumer rate_limit
    error errors url path stateless token`,
  design: `design designer ux ui usability user users need prototype wireframe user_research user_test interview accessible figma
    research layout color typography accessibility persona journey sketch contrast mockup iterate observe feedback keyboard screen_reader
    button flow watch watched feature features requirement requirements paper draw workaround survey problem talk_to try problems`,
  mobile: `mobile app android ios phone kotlin swift push_notification offline battery tablet device app_store screen gesture permission
    update`,
  machineLearning: `machine_learning model train training neural network feature label dataset data accuracy precision recall overfit
    overfitting regularisation regularization validation validate prediction predict classify classifier regression gradient bias
    variance embedding transformer inference test_set generalise generalize noise cross-validation dropout parameters sample trees forest
    weights penalty loss curve early_stop stop_early layers hyperparameter metric evaluate unseen memorise memorize`,
  statistics: `statistics statistical data analysis analyst average mean median variance deviation distribution sample significant
    significance hypothesis correlation causation experiment ab_test confidence outlier chart spreadsheet excel dashboard report insight
    regression trend probability random control_group bias skewed number`,
  dataEngineering: `warehouse etl pipeline ingest schema fact dimension batch stream spark airflow kafka snapshot lake star analyst
    transform source nightly dbt quality duplicate`,
  hardware: `hardware device circuit sensor board firmware embedded chip voltage motor cable battery microcontroller signal solder
    machine robot mechanical oscilloscope current pin`,
};
