use crate::{rendered, stage};

#[test]
fn a_file_that_says_nothing() {
    insta::assert_snapshot!(rendered(""), @"
    error: the file says nothing
     --> pipeline.yaml:1:1
      |
    1 |
      | ^
      |
      = help: the least it can say is `name: my-pipeline`
    ");
    insta::assert_snapshot!(rendered("# soon\n"), @"
    error: the file says nothing
     --> pipeline.yaml:1:1
      |
    1 | # soon
      | ^
      |
      = help: the least it can say is `name: my-pipeline`
    ");
}

#[test]
fn a_file_that_is_not_a_mapping() {
    insta::assert_snapshot!(rendered("- train\n- package\n"), @"
    error: a pipeline file is a block of keys
     --> pipeline.yaml:1:1
      |
    1 | - train
      | ^^^^^^^
      |
      = help: it begins with a key, such as `name: my-pipeline`
    ");
    insta::assert_snapshot!(rendered("fraud-detection"), @"
    error: a pipeline file is a block of keys
     --> pipeline.yaml:1:1
      |
    1 | fraud-detection
      | ^^^^^^^^^^^^^^^
      |
      = help: it begins with a key, such as `name: my-pipeline`
    ");
}

#[test]
fn a_file_with_two_documents() {
    insta::assert_snapshot!(rendered("name: fraud\n---\nname: churn\n"), @"
    error: a pipeline file is a single YAML document
     --> pipeline.yaml:2:1
      |
    2 | ---
      | ^^^
      |
      = help: remove the `---`, or keep the second pipeline in a file of its own
    ");
}

#[test]
fn a_file_indented_by_tabs() {
    insta::assert_snapshot!(rendered("name: fraud\ntargets:\n\tlocal: {}\n"), @"
    error: a tab where YAML wants spaces
     --> pipeline.yaml:3:1
      |
    3 |     local: {}
      | ^^^^
      |
      = help: indent with spaces only
    ");
    insta::assert_snapshot!(stage("- train:\n\t\tlabel: Class\n"), @"
    error: a tab where YAML wants spaces
     --> pipeline.yaml:4:1
      |
    4 |         label: Class
      | ^^^^
      |
      = help: indent with spaces only
    ");
}

#[test]
fn a_file_that_is_not_yaml() {
    insta::assert_snapshot!(rendered("name: fraud\ntargets: { local: {}\n"), @"
    error: not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'
     --> pipeline.yaml:2:22
      |
    2 | targets: { local: {}
      |                     ^
    ");
    insta::assert_snapshot!(rendered("name: 'fraud\n"), @"
    error: not valid YAML: while scanning a quoted scalar, found unexpected end of stream
     --> pipeline.yaml:1:7
      |
    1 | name: 'fraud
      |       ^
    ");
    insta::assert_snapshot!(rendered("name: *fraud\n"), @"
    error: not valid YAML: while parsing node, found unknown anchor
     --> pipeline.yaml:1:7
      |
    1 | name: *fraud
      |       ^
    ");
    insta::assert_snapshot!(rendered("name: !fraud x\n"), @"
    error: a pipeline file has no use for the YAML tag `!fraud`
     --> pipeline.yaml:1:7
      |
    1 | name: !fraud x
      |       ^^^^^^^^
    ");
    insta::assert_snapshot!(rendered("name: fraud\n? [a]\n: b\n"), @"
    error: a key must be a plain name
     --> pipeline.yaml:2:3
      |
    2 | ? [a]
      |   ^^^
    ");
}

#[test]
fn a_file_without_a_name() {
    insta::assert_snapshot!(rendered("targets:\n  local: {}\n"), @"
    error: the file lacks the key `name`
     --> pipeline.yaml:1:1
      |
    1 | targets:
      | ^^^^^^^
      |
      = help: every cloud name derives from it: `name: my-pipeline`
    ");
}

#[test]
fn a_key_that_does_not_exist() {
    insta::assert_snapshot!(stage("  - deploy-proxy:\n      response:\n        treshold: 0.9\n"), @"
    error: unknown key `treshold`
     --> pipeline.yaml:5:9
      |
    5 |         treshold: 0.9
      |         ^^^^^^^^
      |
      = help: did you mean `threshold`?
      = help: known keys: decision, score, threshold
    ");
    insta::assert_snapshot!(stage("- create-role: { path: /x/ }\n"), @"
    error: unknown key `path`
     --> pipeline.yaml:3:18
      |
    3 | - create-role: { path: /x/ }
      |                  ^^^^
      |
      = help: known keys: proxy, sagemaker
    ");
    insta::assert_snapshot!(rendered("name: fraud\ntarget: { local: {} }\n"), @"
    error: unknown key `target`
     --> pipeline.yaml:2:1
      |
    2 | target: { local: {} }
      | ^^^^^^
      |
      = help: did you mean `targets`?
      = help: known keys: name, stages, targets
    ");
    insta::assert_snapshot!(rendered("name: fraud\ntrain: { label: Class }\n"), @"
    error: unknown key `train`
     --> pipeline.yaml:2:1
      |
    2 | train: { label: Class }
      | ^^^^^ this is a stage
      |
      = help: stages stand under `stages:`, as `- train:`
    ");
    insta::assert_snapshot!(rendered("name: fraud\ntargets: { local: { account: '1' } }\n"), @"
    error: unknown key `account`
     --> pipeline.yaml:2:21
      |
    2 | targets: { local: { account: '1' } }
      |                     ^^^^^^^
      |
      = help: known keys: deployer-policy, iam-propagation-ms, management-throttle, port, region, second-ms
    ");
}

#[test]
fn a_key_written_twice() {
    insta::assert_snapshot!(stage("- train:\n    label: Class\n    split: {}\n    label: Fraud\n"), @"
    error: the key `label` is written twice
     --> pipeline.yaml:6:5
      |
    4 |     label: Class
      |     ----- first here
    5 |     split: {}
    6 |     label: Fraud
      |     ^^^^^ again here
    ");
}

#[test]
fn a_stage_that_does_not_exist() {
    insta::assert_snapshot!(stage("- trian: {}\n"), @"
    error: unknown stage `trian`
     --> pipeline.yaml:3:3
      |
    3 | - trian: {}
      |   ^^^^^
      |
      = help: did you mean `train`?
      = help: stages: train, package, upload, create-role, create-endpoint, deploy-proxy, smoke-test, teardown
    ");
    insta::assert_snapshot!(stage("- deploy\n"), @"
    error: unknown stage `deploy`
     --> pipeline.yaml:3:3
      |
    3 | - deploy
      |   ^^^^^^
      |
      = help: stages: train, package, upload, create-role, create-endpoint, deploy-proxy, smoke-test, teardown
    ");
}

#[test]
fn a_stage_that_cannot_be_read_is_not_taken_for_its_defaults() {
    let request = "- smoke-test: { request: { age: 1 } }\n";
    assert_eq!(stage(&format!("- trian: {{ features: [age] }}\n{request}")).matches("error:").count(), 1);
    assert_eq!(stage(&format!("- train:\n  features: [age]\n{request}")).matches("error:").count(), 1);
}

#[test]
fn a_stage_written_twice() {
    insta::assert_snapshot!(stage("- train: {}\n- package\n- train:\n    label: Class\n"), @"
    error: stage `train` is written twice
     --> pipeline.yaml:5:3
      |
    3 | - train: {}
      |   ----- first here
    4 | - package
    5 | - train:
      |   ^^^^^ again here
    ");
}

#[test]
fn stages_out_of_order() {
    insta::assert_snapshot!(stage("- train\n- upload\n- package\n"), @"
    error: stage `package` stands after `upload`, but runs before it
     --> pipeline.yaml:5:3
      |
    4 | - upload
      |   ------ runs later
    5 | - package
      |   ^^^^^^^
      |
      = help: the order is train, package, upload, create-role, create-endpoint, deploy-proxy, smoke-test, teardown
    ");
}

#[test]
fn a_key_beside_its_stage() {
    insta::assert_snapshot!(stage("- train:\n  label: Class\n"), @"
    error: `label` stands beside stage `train`, not in it
     --> pipeline.yaml:4:3
      |
    3 | - train:
      |   ----- the stage
    4 |   label: Class
      |   ^^^^^
      |
      = help: indent it further than `train`
    ");
    insta::assert_snapshot!(stage("- train:\n  package:\n"), @"
    error: `package` stands beside stage `train`, not in it
     --> pipeline.yaml:4:3
      |
    3 | - train:
      |   ----- the stage
    4 |   package:
      |   ^^^^^^^
      |
      = help: write `- ` before it: `- package:`
    ");
}

#[test]
fn stages_that_are_no_list() {
    insta::assert_snapshot!(rendered("name: fraud\nstages:\n  train: {}\n"), @"
    error: `stages` must be a list
     --> pipeline.yaml:2:1
      |
    2 | stages:
      | ^^^^^^
      |
      = help: write each stage as an item: `- train:`
    ");
    insta::assert_snapshot!(stage("- [train]\n- {}\n-\n"), @"
    error: item 1 of `stages` names no stage
     --> pipeline.yaml:3:3
      |
    3 | - [train]
      |   ^^^^^^^
      |
      = help: stages: train, package, upload, create-role, create-endpoint, deploy-proxy, smoke-test, teardown

    error: item 2 of `stages` names no stage
     --> pipeline.yaml:4:3
      |
    4 | - {}
      |   ^^
      |
      = help: stages: train, package, upload, create-role, create-endpoint, deploy-proxy, smoke-test, teardown

    error: item 3 of `stages` names no stage
     --> pipeline.yaml:5:2
      |
    5 | -
      |  ^
      |
      = help: stages: train, package, upload, create-role, create-endpoint, deploy-proxy, smoke-test, teardown
    ");
}

#[test]
fn a_value_of_a_wrong_type() {
    insta::assert_snapshot!(rendered("name: 42\n"), @r#"
    error: `name` must be text, not the number 42
     --> pipeline.yaml:1:7
      |
    1 | name: 42
      |       ^^
      |
      = help: put it in quotes: "42"
    "#);
    insta::assert_snapshot!(rendered("name: fraud\ntargets: [local]\n"), @"
    error: `targets` must be a block with a key for each target, not a list
     --> pipeline.yaml:2:1
      |
    2 | targets: [local]
      | ^^^^^^^
    ");
    insta::assert_snapshot!(rendered("name: fraud\ntargets: { prod: { region: us-east-1, account: 123456789012 } }\n"), @r#"
    error: `account` must be text, not the number 123456789012
     --> pipeline.yaml:2:48
      |
    2 | targets: { prod: { region: us-east-1, account: 123456789012 } }
      |                                                ^^^^^^^^^^^^
      |
      = help: put it in quotes: "123456789012"
    "#);
    insta::assert_snapshot!(stage("- train: { features: V1..V28 }\n"), @"
    error: `features` must be a list, not the text `V1..V28`
     --> pipeline.yaml:3:22
      |
    3 | - train: { features: V1..V28 }
      |                      ^^^^^^^
      |
      = help: a list is `[a, b]`, or a line with `- ` for each item
    ");
    insta::assert_snapshot!(stage("- train: { features: [V1, [V2], V3] }\n"), @"
    error: item 2 of `features` must be text, not a list
     --> pipeline.yaml:3:27
      |
    3 | - train: { features: [V1, [V2], V3] }
      |                           ^^^^
    ");
    insta::assert_snapshot!(stage("- train: { data: [a.csv] }\n"), @"
    error: `data` must be text or a block of keys, not a list
     --> pipeline.yaml:3:12
      |
    3 | - train: { data: [a.csv] }
      |            ^^^^
    ");
    insta::assert_snapshot!(stage("- train: { data: { generate: { seed: -1 } } }\n"), @"
    error: `seed` must be a whole number of at least 0, not the number -1
     --> pipeline.yaml:3:38
      |
    3 | - train: { data: { generate: { seed: -1 } } }
      |                                      ^^
    ");
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { trees: many } } }\n"), @"
    error: `trees` must be a whole number, not the text `many`
     --> pipeline.yaml:3:53
      |
    3 | - train: { algorithm: { gradient-boosting: { trees: many } } }
      |                                                     ^^^^
    ");
    insta::assert_snapshot!(stage("- upload: my-bucket\n"), @"
    error: `upload` must be a block of keys, not the text `my-bucket`
     --> pipeline.yaml:3:11
      |
    3 | - upload: my-bucket
      |           ^^^^^^^^^
    ");
    insta::assert_snapshot!(stage("- smoke-test: { request: { V1: high } }\n"), @"
    error: `V1` must be a number, not the text `high`
     --> pipeline.yaml:3:32
      |
    3 | - smoke-test: { request: { V1: high } }
      |                                ^^^^
    ");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    insta::assert_snapshot!(
        rendered(
            "name: Fraud
targets:
  prod: { region: ap-south-9 }
stages:
  - train: { lable: Class, slpit: {} }
  - create-endpoint: { instances: { count: 0 } }
  - deploy-proxy: { memory-mb: 64 }
"
        ),
        @"
    error: a pipeline's name has only lower-case letters, digits and hyphens, not `F`
     --> pipeline.yaml:1:7
      |
    1 | name: Fraud
      |       ^^^^^
      |
      = help: `name: fraud` would do

    error: unknown region `ap-south-9`
     --> pipeline.yaml:3:19
      |
    3 |   prod: { region: ap-south-9 }
      |                   ^^^^^^^^^^
      |
      = help: did you mean `ap-south-1`?

    error: unknown key `lable`
     --> pipeline.yaml:5:14
      |
    5 |   - train: { lable: Class, slpit: {} }
      |              ^^^^^
      |
      = help: did you mean `label`?
      = help: known keys: algorithm, command, data, features, inputs, instances, label, model, on, require, split, test-data

    error: unknown key `slpit`
     --> pipeline.yaml:5:28
      |
    5 |   - train: { lable: Class, slpit: {} }
      |                            ^^^^^
      |
      = help: did you mean `split`?
      = help: known keys: algorithm, command, data, features, inputs, instances, label, model, on, require, split, test-data

    error: `count` must be from 1 to 100, not 0
     --> pipeline.yaml:6:44
      |
    6 |   - create-endpoint: { instances: { count: 0 } }
      |                                            ^

    error: `memory-mb` must be from 128 to 10240, not 64
     --> pipeline.yaml:7:32
      |
    7 |   - deploy-proxy: { memory-mb: 64 }
      |                                ^^
    "
    );
}

#[test]
fn a_place_after_letters_of_several_bytes_or_windows_lines() {
    insta::assert_snapshot!(stage("- train: { label: 'Überfällig', lable: x } # é\r\n- uplod\r\n"), @"
    error: unknown key `lable`
     --> pipeline.yaml:3:33
      |
    3 | - train: { label: 'Überfällig', lable: x } # é
      |                                 ^^^^^
      |
      = help: did you mean `label`?
      = help: known keys: algorithm, command, data, features, inputs, instances, label, model, on, require, split, test-data

    error: unknown stage `uplod`
     --> pipeline.yaml:4:3
      |
    4 | - uplod
      |   ^^^^^
      |
      = help: did you mean `upload`?
      = help: stages: train, package, upload, create-role, create-endpoint, deploy-proxy, smoke-test, teardown
    ");
}

#[test]
fn a_place_after_a_byte_order_mark() {
    insta::assert_snapshot!(rendered("\u{feff}names: fraud\n"), @"
    error: unknown key `names`
     --> pipeline.yaml:1:1
      |
    1 | names: fraud
      | ^^^^^
      |
      = help: did you mean `name`?
      = help: known keys: name, stages, targets

    error: the file lacks the key `name`
     --> pipeline.yaml:1:1
      |
    1 | names: fraud
      | ^^^^^
      |
      = help: every cloud name derives from it: `name: my-pipeline`
    ");
}

#[test]
fn an_alias_is_underlined_where_it_is_used_and_what_it_holds_where_that_is_written() {
    insta::assert_snapshot!(stage("- create-endpoint: { log-retention-days: &days 30 }\n- deploy-proxy: { timeout-s: *days }\n"), @"
    error: `timeout-s` must be from 1 to 29, not 30
     --> pipeline.yaml:4:30
      |
    4 | - deploy-proxy: { timeout-s: *days }
      |                              ^^^^^
    ");
    insta::assert_snapshot!(rendered("name: fraud\ntargets: { a: &a { region: mars }, b: *a }\n"), @"
    error: unknown region `mars`
     --> pipeline.yaml:2:28
      |
    2 | targets: { a: &a { region: mars }, b: *a }
      |                            ^^^^
      |
      = help: regions: af-south-1, ap-east-1, ap-northeast-1, ap-northeast-2, ap-northeast-3, ap-south-1, ap-south-2, ap-southeast-1, ap-southeast-2, ap-southeast-3, ap-southeast-4, ca-central-1, ca-west-1, cn-north-1, cn-northwest-1, eu-central-1, eu-central-2, eu-north-1, eu-south-1, eu-south-2, eu-west-1, eu-west-2, eu-west-3, il-central-1, me-central-1, me-south-1, sa-east-1, us-east-1, us-east-2, us-gov-east-1, us-gov-west-1, us-west-1, us-west-2
    ");
}
