//! Ways of serving that AWS does not have, or that mean nothing.

use crate::{rendered, stage};

#[test]
fn what_serverless_endpoints_do_not_have() {
    insta::assert_snapshot!(stage("- create-endpoint:\n    serverless: {}\n    vpc: { subnets: [subnet-1], security-groups: [sg-1] }\n    rollout: canary\n"), @"
    error: AWS has no `vpc` for serverless endpoints
     --> pipeline.yaml:5:5
      |
    4 |     serverless: {}
      |     ---------- on demand
    5 |     vpc: { subnets: [subnet-1], security-groups: [sg-1] }
      |     ^^^
      |
      = help: leave `vpc` out, or use `instances`

    error: AWS has no `rollout` for serverless endpoints
     --> pipeline.yaml:6:5
      |
    4 |     serverless: {}
      |     ---------- on demand
    5 |     vpc: { subnets: [subnet-1], security-groups: [sg-1] }
    6 |     rollout: canary
      |     ^^^^^^^
      |
      = help: leave `rollout` out, or use `instances`
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { serverless: {}, data-capture: {}, startup-timeout-s: 60, rollback-on: { latency-ms: 1 } }\n"), @"
    error: AWS has no `data-capture` for serverless endpoints
     --> pipeline.yaml:3:38
      |
    3 | - create-endpoint: { serverless: {}, data-capture: {}, startup-timeout-s: 60, rollback-on: { latency-ms: 1 } }
      |                      ----------      ^^^^^^^^^^^^
      |                      |
      |                      on demand
      |
      = help: leave `data-capture` out, or use `instances`

    error: AWS has no `startup-timeout-s` for serverless endpoints
     --> pipeline.yaml:3:56
      |
    3 | - create-endpoint: { serverless: {}, data-capture: {}, startup-timeout-s: 60, rollback-on: { latency-ms: 1 } }
      |                      ---------- on demand              ^^^^^^^^^^^^^^^^^
      |
      = help: leave `startup-timeout-s` out, or use `instances`

    error: AWS has no `rollback-on` for serverless endpoints
     --> pipeline.yaml:3:79
      |
    3 | - create-endpoint: { serverless: {}, data-capture: {}, startup-timeout-s: 60, rollback-on: { latency-ms: 1 } }
      |                      ---------- on demand                                     ^^^^^^^^^^^
      |
      = help: leave `rollback-on` out, or use `instances`
    ");
}

#[test]
fn machines_that_cannot_be_scaled() {
    insta::assert_snapshot!(stage("- create-endpoint: { autoscaling: { max: 4, invocations-per-instance: 100 } }\n"), @"
    error: AWS does not scale `ml.t2.medium`, which is a burstable type
     --> pipeline.yaml:3:22
      |
    3 | - create-endpoint: { autoscaling: { max: 4, invocations-per-instance: 100 } }
      |                      ^^^^^^^^^^^
      |
      = help: for example `instances: { type: ml.m5.large }`
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { serverless: {}, autoscaling: { max: 4 } }\n"), @"
    error: what autoscaling changes of a serverless endpoint is its provisioned concurrency
     --> pipeline.yaml:3:38
      |
    3 | - create-endpoint: { serverless: {}, autoscaling: { max: 4 } }
      |                      ----------      ^^^^^^^^^^^
      |                      |
      |                      it has none
      |
      = help: add `provisioned-concurrency`, or leave `autoscaling` out: on demand follows by itself
    ");
}

#[test]
fn autoscaling_that_cannot_work() {
    insta::assert_snapshot!(stage("- create-endpoint:\n    instances: { type: ml.m5.large, count: 5 }\n    autoscaling: { min: 2, max: 4, invocations-per-instance: 100 }\n"), @"
    error: autoscaling keeps it from 2 to 4, so it cannot begin with 5
     --> pipeline.yaml:4:44
      |
    4 |     instances: { type: ml.m5.large, count: 5 }
      |                                            ^
    5 |     autoscaling: { min: 2, max: 4, invocations-per-instance: 100 }
      |     ----------- 2 to 4
    ");
    insta::assert_snapshot!(stage("- create-endpoint:\n    instances: { type: ml.m5.large }\n    autoscaling: { min: 3, max: 2, invocations-per-instance: 0 }\n"), @"
    error: `max` must be at least `min`, not 2
     --> pipeline.yaml:5:33
      |
    5 |     autoscaling: { min: 3, max: 2, invocations-per-instance: 0 }
      |                         -       ^
      |                         |
      |                         at least 3

    error: `invocations-per-instance` must be above 0 and finite, not 0
     --> pipeline.yaml:5:62
      |
    5 |     autoscaling: { min: 3, max: 2, invocations-per-instance: 0 }
      |                                                              ^
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { instances: { type: ml.m5.large }, autoscaling: {} }\n"), @"
    error: `autoscaling` lacks the key `max`
     --> pipeline.yaml:3:56
      |
    3 | - create-endpoint: { instances: { type: ml.m5.large }, autoscaling: {} }
      |                                                        ^^^^^^^^^^^
      |
      = help: the most that it may grow to, and cost

    error: `autoscaling` lacks the key `invocations-per-instance`
     --> pipeline.yaml:3:56
      |
    3 | - create-endpoint: { instances: { type: ml.m5.large }, autoscaling: {} }
      |                                                        ^^^^^^^^^^^
      |
      = help: the requests a minute that one machine should be asked: measure what it can take
    ");
    insta::assert_snapshot!(stage("- create-endpoint:\n    instances: { type: ml.m5.large }\n    autoscaling: { max: 101, utilization: 0.5, invocations-per-instance: 10, scale-in-cooldown-s: 90000 }\n"), @"
    error: `max` must be from 1 to 100, not 101
     --> pipeline.yaml:5:25
      |
    5 |     autoscaling: { max: 101, utilization: 0.5, invocations-per-instance: 10, scale-in-cooldown-s: 90000 }
      |                         ^^^

    error: `utilization` is of endpoints with `serverless`
     --> pipeline.yaml:5:30
      |
    5 |     autoscaling: { max: 101, utilization: 0.5, invocations-per-instance: 10, scale-in-cooldown-s: 90000 }
      |                              ^^^^^^^^^^^

    error: `scale-in-cooldown-s` must be from 0 to 86400, not 90000
     --> pipeline.yaml:5:99
      |
    5 |     autoscaling: { max: 101, utilization: 0.5, invocations-per-instance: 10, scale-in-cooldown-s: 90000 }
      |                                                                                                   ^^^^^
    ");
    insta::assert_snapshot!(stage("- create-endpoint:\n    serverless: { max-concurrency: 5, provisioned-concurrency: 6 }\n    autoscaling: { max: 9, invocations-per-instance: 10, utilization: 1.5 }\n"), @"
    error: `provisioned-concurrency` must be at most `max-concurrency`, and 6 is more
     --> pipeline.yaml:4:64
      |
    4 |     serverless: { max-concurrency: 5, provisioned-concurrency: 6 }
      |                                    - at most 5 at once         ^

    error: autoscaling keeps it from 1 to 1, so it cannot begin with 6
     --> pipeline.yaml:4:64
      |
    4 |     serverless: { max-concurrency: 5, provisioned-concurrency: 6 }
      |                                                                ^
    5 |     autoscaling: { max: 9, invocations-per-instance: 10, utilization: 1.5 }
      |     ----------- 1 to 1

    error: `max` must be from 1 to 5, not 9
     --> pipeline.yaml:5:25
      |
    5 |     autoscaling: { max: 9, invocations-per-instance: 10, utilization: 1.5 }
      |                         ^

    error: `invocations-per-instance` is of endpoints with `instances`
     --> pipeline.yaml:5:28
      |
    5 |     autoscaling: { max: 9, invocations-per-instance: 10, utilization: 1.5 }
      |                            ^^^^^^^^^^^^^^^^^^^^^^^^

    error: `utilization` must be from 0.1 to 1, not 1.5
     --> pipeline.yaml:5:71
      |
    5 |     autoscaling: { max: 9, invocations-per-instance: 10, utilization: 1.5 }
      |                                                                       ^^^
    ");
}

#[test]
fn captures_of_nothing() {
    insta::assert_snapshot!(stage("- create-endpoint: { data-capture: { share: 0, input: false, output: false } }\n"), @"
    error: `data-capture` keeps neither requests nor answers
     --> pipeline.yaml:3:22
      |
    3 | - create-endpoint: { data-capture: { share: 0, input: false, output: false } }
      |                      ^^^^^^^^^^^^
      |
      = help: leave `data-capture` out, or keep one of them

    error: `share` must be from 0.01 to 1, in whole per cent, not 0
     --> pipeline.yaml:3:45
      |
    3 | - create-endpoint: { data-capture: { share: 0, input: false, output: false } }
      |                                             ^
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { data-capture: { share: 0.125 } }\n"), @"
    error: `share` must be from 0.01 to 1, in whole per cent, not 0.125
     --> pipeline.yaml:3:45
      |
    3 | - create-endpoint: { data-capture: { share: 0.125 } }
      |                                             ^^^^^
    ");
}

#[test]
fn machines_with_a_disk_of_their_own() {
    insta::assert_snapshot!(stage("- create-endpoint:\n    instances: { type: ml.g5.xlarge, volume-gb: 100 }\n    kms-key: alias/models\n"), @"
    error: `ml.g5.xlarge` has a disk of its own, and takes no `volume-gb`
     --> pipeline.yaml:4:38
      |
    4 |     instances: { type: ml.g5.xlarge, volume-gb: 100 }
      |                                      ^^^^^^^^^
      |
      = help: leave `volume-gb` out, or take another type

    error: `ml.g5.xlarge` encrypts its own disk, and takes no `kms-key`
     --> pipeline.yaml:5:5
      |
    5 |     kms-key: alias/models
      |     ^^^^^^^
      |
      = help: leave `kms-key` out, or take another type
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { instances: { type: ml.m5d.large, volume-gb: 513 } }\n"), @"
    error: `ml.m5d.large` has a disk of its own, and takes no `volume-gb`
     --> pipeline.yaml:3:55
      |
    3 | - create-endpoint: { instances: { type: ml.m5d.large, volume-gb: 513 } }
      |                                                       ^^^^^^^^^
      |
      = help: leave `volume-gb` out, or take another type

    error: `volume-gb` must be from 1 to 512, not 513
     --> pipeline.yaml:3:66
      |
    3 | - create-endpoint: { instances: { type: ml.m5d.large, volume-gb: 513 } }
      |                                                                  ^^^
    ");
}

#[test]
fn a_key_that_is_none() {
    insta::assert_snapshot!(stage("- create-endpoint: { kms-key: models }\n"), @"
    error: `models` names no KMS key
     --> pipeline.yaml:3:31
      |
    3 | - create-endpoint: { kms-key: models }
      |                               ^^^^^^
      |
      = help: a key's id, its ARN, `alias/<name>`, or the ARN of an alias
      = help: did you mean `alias/models`?
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { kms-key: 'arn:aws:s3:us-east-1:111122223333:key/a' }\n"), @"
    error: `arn:aws:s3:us-east-1:111122223333:key/a` names no KMS key
     --> pipeline.yaml:3:31
      |
    3 | - create-endpoint: { kms-key: 'arn:aws:s3:us-east-1:111122223333:key/a' }
      |                               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: a key's id, its ARN, `alias/<name>`, or the ARN of an alias
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { kms-key: '' }\n"), @"
    error: `` names no KMS key
     --> pipeline.yaml:3:31
      |
    3 | - create-endpoint: { kms-key: '' }
      |                               ^^
      |
      = help: a key's id, its ARN, `alias/<name>`, or the ARN of an alias
    ");
}

#[test]
fn a_network_that_is_none() {
    insta::assert_snapshot!(stage("- create-endpoint: { vpc: { subnets: [subnet-1, sg-2, subnet-1], security-groups: [] } }\n"), @"
    error: `sg-2` is no id of `subnets`
     --> pipeline.yaml:3:49
      |
    3 | - create-endpoint: { vpc: { subnets: [subnet-1, sg-2, subnet-1], security-groups: [] } }
      |                                                 ^^^^
      |
      = help: it reads like `subnet-0123456789abcdef0`

    error: `subnet-1` is named twice
     --> pipeline.yaml:3:55
      |
    3 | - create-endpoint: { vpc: { subnets: [subnet-1, sg-2, subnet-1], security-groups: [] } }
      |                                                       ^^^^^^^^

    error: `security-groups` must name from 1 to 5, not 0
     --> pipeline.yaml:3:66
      |
    3 | - create-endpoint: { vpc: { subnets: [subnet-1, sg-2, subnet-1], security-groups: [] } }
      |                                                                  ^^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { vpc: }\n"), @"
    error: `vpc` lacks the key `subnets`
     --> pipeline.yaml:3:22
      |
    3 | - create-endpoint: { vpc: }
      |                      ^^^
      |
      = help: for example `subnets: [subnet-0123456789abcdef0]`

    error: `vpc` lacks the key `security-groups`
     --> pipeline.yaml:3:22
      |
    3 | - create-endpoint: { vpc: }
      |                      ^^^
      |
      = help: for example `security-groups: [sg-0123456789abcdef0]`
    ");
}

#[test]
fn a_rollout_that_cannot_be() {
    insta::assert_snapshot!(stage("- create-endpoint: { rollout: blue-green }\n"), @"
    error: unknown way to roll out `blue-green`
     --> pipeline.yaml:3:31
      |
    3 | - create-endpoint: { rollout: blue-green }
      |                               ^^^^^^^^^^
      |
      = help: ways: all-at-once, canary, linear
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { rollout: canari }\n"), @"
    error: unknown way to roll out `canari`
     --> pipeline.yaml:3:31
      |
    3 | - create-endpoint: { rollout: canari }
      |                               ^^^^^^
      |
      = help: did you mean `canary`?
      = help: ways: all-at-once, canary, linear
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { instances: { count: 2 }, rollout: { canary: { share: 0.6 }, linear: {} } }\n"), @"
    error: `rollout` names two ways
     --> pipeline.yaml:3:82
      |
    3 | - create-endpoint: { instances: { count: 2 }, rollout: { canary: { share: 0.6 }, linear: {} } }
      |                                                          ------ another way      ^^^^^^ one way
      |
      = help: keep one of them
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { instances: { count: 2 }, rollout: { linear: { share: 0.05, wait-s: 4000 } } }\n"), @"
    error: `share` must be from 0.1 to 0.5, in whole per cent, not 0.05
     --> pipeline.yaml:3:75
      |
    3 | - create-endpoint: { instances: { count: 2 }, rollout: { linear: { share: 0.05, wait-s: 4000 } } }
      |                                                                           ^^^^

    error: `wait-s` must be from 0 to 3600, not 4000
     --> pipeline.yaml:3:89
      |
    3 | - create-endpoint: { instances: { count: 2 }, rollout: { linear: { share: 0.05, wait-s: 4000 } } }
      |                                                                                         ^^^^
    ");
}

#[test]
fn steps_without_machines_to_step_over() {
    insta::assert_snapshot!(stage("- create-endpoint: { rollout: canary }\n"), @"
    error: traffic moves in steps only between two machines or more
     --> pipeline.yaml:3:22
      |
    3 | - create-endpoint: { rollout: canary }
      |   ---------------    ^^^^^^^
      |   |
      |   there is one
      |
      = help: more machines, or `rollout: all-at-once`
    ");
    insta::assert_snapshot!(stage("- create-endpoint:\n    instances: { type: ml.m5.large, count: 3 }\n    autoscaling: { min: 1, max: 4, invocations-per-instance: 100 }\n    rollout: linear\n"), @"
    error: traffic moves in steps only between two machines or more
     --> pipeline.yaml:6:5
      |
    5 |     autoscaling: { min: 1, max: 4, invocations-per-instance: 100 }
      |                         - it may be down to one when it is updated
    6 |     rollout: linear
      |     ^^^^^^^
      |
      = help: more machines, or `rollout: all-at-once`
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { instances: { type: ml.inf1.xlarge, count: 2 }, rollout: canary }\n"), @"
    error: AWS updates `ml.inf1.xlarge` all at once, whatever `rollout` and `rollback-on` say
     --> pipeline.yaml:3:69
      |
    3 | - create-endpoint: { instances: { type: ml.inf1.xlarge, count: 2 }, rollout: canary }
      |                                                                     ^^^^^^^
      |
      = help: leave them out, or take another type
    ");
}

#[test]
fn waits_that_are_longer_than_aws_waits() {
    insta::assert_snapshot!(stage("- create-endpoint: { instances: { count: 2 }, rollout: { linear: { share: 0.1, wait-s: 3600 } } }\n"), @"
    error: the rollout waits for 36000 s by itself, and AWS ends it after 28800 s
     --> pipeline.yaml:3:47
      |
    3 | - create-endpoint: { instances: { count: 2 }, rollout: { linear: { share: 0.1, wait-s: 3600 } } }
      |                                               ^^^^^^^
      |
      = help: 10 x 3600 s between the steps, 0 s before the old machines end
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { instances: { count: 2 }, rollout: { canary: { wait-s: 600 }, termination-wait-s: 60, timeout-s: 1200 } }\n"), @"
    error: the rollout waits for 1260 s by itself, so `timeout-s` must be more than that
     --> pipeline.yaml:3:118
      |
    3 | - create-endpoint: { instances: { count: 2 }, rollout: { canary: { wait-s: 600 }, termination-wait-s: 60, timeout-s: 1200 } }
      |                                                                                                                      ^^^^
      |
      = help: 2 x 600 s between the steps, 60 s before the old machines end
    ");
}

#[test]
fn alarms_that_watch_nothing() {
    insta::assert_snapshot!(stage("- create-endpoint: { rollback-on: {} }\n"), @"
    error: `rollback-on` names nothing
     --> pipeline.yaml:3:22
      |
    3 | - create-endpoint: { rollback-on: {} }
      |                      ^^^^^^^^^^^
      |
      = help: add `errors-per-minute`, `latency-ms` or `alarms`
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { rollback-on: { alarms: ['', a, a, 'arn:aws:cloudwatch:us-east-1:111122223333:alarm:errors'], errors-per-minute: 0, latency-ms: 0 } }\n"), @"
    error: an alarm's name must not be empty
     --> pipeline.yaml:3:46
      |
    3 | - create-endpoint: { rollback-on: { alarms: ['', a, a, 'arn:aws:cloudwatch:us-east-1:111122223333:alarm:errors'], errors-per-minute: ...
      |                                              ^^

    error: `a` is named twice
     --> pipeline.yaml:3:53
      |
    3 | - create-endpoint: { rollback-on: { alarms: ['', a, a, 'arn:aws:cloudwatch:us-east-1:111122223333:alarm:errors'], errors-per-minute: ...
      |                                                     ^

    error: an alarm is named by its name, not by its ARN
     --> pipeline.yaml:3:56
      |
    3 | - create-endpoint: { rollback-on: { alarms: ['', a, a, 'arn:aws:cloudwatch:us-east-1:111122223333:alarm:errors'], errors-per-minute: ...
      |                                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write `errors`

    error: `errors-per-minute` must be from 1 to 1000000, not 0
     --> pipeline.yaml:3:134
      |
    3 | ...watch:us-east-1:111122223333:alarm:errors'], errors-per-minute: 0, latency-ms: 0 } }
      |                                                                    ^

    error: `latency-ms` must be above 0 and finite, not 0
     --> pipeline.yaml:3:149
      |
    3 | ...:111122223333:alarm:errors'], errors-per-minute: 0, latency-ms: 0 } }
      |                                                                    ^
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { rollback-on: { alarms: [a, b, c, d, e, f, g, h, i], errors-per-minute: 1, latency-ms: 1 } }\n"), @"
    error: at most 10 alarms can take an update back, not 11
     --> pipeline.yaml:3:22
      |
    3 | - create-endpoint: { rollback-on: { alarms: [a, b, c, d, e, f, g, h, i], errors-per-minute: 1, latency-ms: 1 } }
      |                      ^^^^^^^^^^^
      |
      = help: `errors-per-minute` and `latency-ms` are an alarm each
    ");
}

#[test]
fn a_pace_that_is_none() {
    insta::assert_snapshot!(rendered("name: fraud\ntargets: { local: { second-ms: 0 } }\n"), @"
    error: `second-ms` must be from 1 to 1000, not 0
     --> pipeline.yaml:2:32
      |
    2 | targets: { local: { second-ms: 0 } }
      |                                ^
    ");
}
