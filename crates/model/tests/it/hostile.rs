//! What is refused, and in which words.

use std::error::Error;

use model::{FEATURES_LIMIT, MODEL_LIMIT_BYTES, Misreading, Model, ModelError, Tree};
use serde_json::{Value, json};

use crate::ubjson;

/// A model of one split over two features.
fn valid() -> Value {
    json!({"learner": {
        "attributes": {},
        "feature_names": ["a", "b"],
        "gradient_booster": {"name": "gbtree", "model": {
            "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "1", "size_leaf_vector": "0"},
            "tree_info": [0],
            "trees": [{
                "default_left": [1, 0, 0],
                "left_children": [1, -1, -1],
                "right_children": [2, -1, -1],
                "split_conditions": [0.5, -0.25, 0.75],
                "split_indices": [1, 0, 0],
                "split_type": [0, 0, 0],
                "loss_changes": [1.5, 0.0, 0.0],
                "sum_hessian": [2.0, 1.0, 1.0],
                "tree_param": {"num_nodes": "3", "size_leaf_vector": "1"},
            }],
        }},
        "learner_model_param": {"base_score": "5E-1", "num_class": "0", "num_feature": "2", "num_target": "1"},
        "objective": {"name": "binary:logistic"},
    }})
}

const PARAM: &str = "/learner/learner_model_param";
const TREE: &str = "/learner/gradient_booster/model/trees/0";

/// Changes one member of the valid model.
fn with(object: &str, member: &str, value: Value) -> Value {
    let mut model = valid();
    model.pointer_mut(object).unwrap()[member] = value;
    model
}

fn without(object: &str, member: &str) -> Value {
    let mut model = valid();
    model.pointer_mut(object).unwrap().as_object_mut().unwrap().remove(member);
    model
}

/// Returns the message and its causes; both syntaxes must give the same.
fn refusal(model: &Value) -> String {
    let from_json = chain(&Model::read(model.to_string().as_bytes()).unwrap_err());
    assert_eq!(from_json, chain(&Model::read(&ubjson::encode(model)).unwrap_err()));
    from_json
}

fn refusals<const N: usize>(models: [Value; N]) -> String {
    models.map(|model| refusal(&model)).join("\n")
}

fn chain(error: &ModelError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn read(value: &Value) -> Model {
    Model::read(value.to_string().as_bytes()).unwrap()
}

#[test]
fn the_valid_model_is_valid() {
    assert_eq!(read(&valid()).margin(&[0.0, 0.4]), -0.25);
    assert_eq!(Model::read(&ubjson::encode(&valid())).unwrap(), read(&valid()));
}

#[test]
fn what_is_no_model_file_is_named() {
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    let cases: [&[u8]; 8] =
        [b"", b"\x80\x04\x95", b"binf\0\0", b"\x1f\x8b\x08", b"PK\x03\x04", &tar, b"V1,V2\n1,2\n", b"[]"];
    insta::assert_snapshot!(cases.map(|bytes| chain(&Model::read(bytes).unwrap_err())).join("\n"), @"
    neither JSON nor UBJSON, but nothing
    neither JSON nor UBJSON, but a pickled Python object; save the model with `save_model`
    neither JSON nor UBJSON, but XGBoost's old binary format; load and save it with XGBoost 1.7 under a name that ends in `.json`
    neither JSON nor UBJSON, but a gzip archive
    neither JSON nor UBJSON, but a zip archive
    neither JSON nor UBJSON, but a tar archive without compression
    neither JSON nor UBJSON, but something else
    neither JSON nor UBJSON, but something else
    ");
}

#[test]
fn broken_syntax_is_located() {
    let nested = [b"{\"a\":".to_vec(), b"[".repeat(100_000)].concat();
    let cases: [&[u8]; 7] = [
        b"{",
        b"{\"learner\":{}",
        b"{\"learner\":Nan}",
        b"{} {}",
        &nested,
        b"{L\0\0\0\0\0\0\0\x07learner",
        b"{i\x01a[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff",
    ];
    insta::assert_snapshot!(cases.map(|bytes| chain(&Model::read(bytes).unwrap_err())).join("\n"), @"
    the JSON text is broken: EOF while parsing an object at line 1 column 1
    the JSON text is broken: EOF while parsing an object at line 1 column 13
    the JSON text is broken: expected value at line 1 column 12
    the JSON text is broken: trailing characters at line 1 column 4
    the JSON text is broken: recursion limit exceeded at line 1 column 132
    the UBJSON bytes are broken at offset 17: the bytes end too early
    the UBJSON bytes are broken at offset 17: a list claims more elements than there are bytes
    ");
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let json = valid().to_string().into_bytes();
    for bytes in [json, ubjson::encode(&valid())] {
        assert!(Model::read(&bytes).is_ok());
        for end in 0..bytes.len() {
            assert!(Model::read(&bytes[..end]).is_err(), "the first {end} bytes pass");
        }
    }
}

#[test]
fn a_file_beyond_the_limit_is_not_parsed() {
    let error = Model::read(&vec![b' '; MODEL_LIMIT_BYTES + 1]).unwrap_err();
    insta::assert_snapshot!(error, @"268435457 bytes are more than a model file may have (268435456)");
}

#[test]
fn small_files_that_would_fill_the_memory_are_refused() {
    let many = 5_000_000;
    let cases = [
        [b"{\"a\":[".to_vec(), b"[],".repeat(many)].concat(),
        [b"{\"a\":[".to_vec(), b"0,".repeat(many), b"null]}".to_vec()].concat(),
        [b"{\"a\":[".to_vec(), b"null,".repeat(many)].concat(),
        [b"{i\x01a[".to_vec(), b"Z".repeat(many)].concat(),
        [b"{i\x01a[$S#l\x00\x7f\xff\xff".to_vec(), b"i\0".repeat(many)].concat(),
        [b"{i\x01a{".to_vec(), b"i\0Z".repeat(many)].concat(),
    ];
    insta::assert_snapshot!(cases.map(|bytes| chain(&Model::read(&bytes).unwrap_err())).join("\n"), @"
    the JSON text is broken: more values than a model can have at line 1 column 12000006
    the JSON text is broken: more values than a model can have at line 1 column 10000011
    the JSON text is broken: more values than a model can have at line 1 column 20000006
    the UBJSON bytes are broken at offset 4000005: more values than a model can have
    the UBJSON bytes are broken at offset 13: more values than a model can have
    the UBJSON bytes are broken at offset 12000002: more values than a model can have
    ");
}

/// As in `XGBoost`, the last of two members of one name counts; what is read is checked all the same.
#[test]
fn a_member_given_twice_counts_once_and_last() {
    let twice = |first: &str, last: &str| {
        let text = valid().to_string();
        let both = format!("\"num_feature\":\"{first}\",\"num_feature\":\"{last}\"");
        text.replace("\"num_feature\":\"2\"", &both)
    };
    assert_eq!(Model::read(twice("1000000000000", "2").as_bytes()).unwrap(), read(&valid()));
    insta::assert_snapshot!(chain(&Model::read(twice("2", "1").as_bytes()).unwrap_err()), @"`learner.feature_names` has 2 entries instead of 1");
    let many = format!("{{{}\"a\":0}}", "\"a\":0,".repeat(5_000_000));
    insta::assert_snapshot!(chain(&Model::read(many.as_bytes()).unwrap_err()), @"the JSON text is broken: more values than a model can have at line 1 column 24000004");
}

#[test]
fn numbers_of_any_length_are_numbers_or_refused() {
    let threshold = |number: &str| {
        let text = with(TREE, "split_conditions", json!(["?", -0.25, 0.75])).to_string();
        Model::read(text.replace("\"?\"", number).as_bytes())
    };
    let long = format!("0.{}", "5".repeat(5_000_000));
    assert_eq!(threshold(&long).unwrap(), threshold("0.5555555555555556").unwrap());
    let cases = ["1e39", "1e999", &"9".repeat(5_000_000), "-1e9999999999999999999"];
    insta::assert_snapshot!(cases.map(|number| chain(&threshold(number).unwrap_err())).join("\n"), @"
    tree 0 is malformed: the threshold of node 0 is not finite
    the JSON text is broken: number out of range at line 1 column 325
    the JSON text is broken: number out of range at line 1 column 5000320
    the JSON text is broken: number out of range at line 1 column 333
    ");
    insta::assert_snapshot!(refusals([
        with(PARAM, "num_feature", json!(1e300)),
        with(PARAM, "num_feature", json!("9".repeat(100))),
        with(TREE, "left_children", json!([1e300, -1.0, -1.0])),
        with(PARAM, "base_score", json!("9".repeat(100))),
    ]), @"
    `learner.learner_model_param.num_feature` is not a count
    `learner.learner_model_param.num_feature` is not a count
    `learner.gradient_booster.model.trees[0].left_children` is not a list of whole numbers
    base score inf is not between 0 and 1
    ");
}

#[test]
fn a_million_classes_are_refused_before_any_tree_is_looked_at() {
    let mut model = with(PARAM, "num_class", json!("1000000"));
    model.pointer_mut("/learner/gradient_booster/model").unwrap()["trees"] = json!([[[]]]);
    insta::assert_snapshot!(refusal(&model), @"a model of 1000000 classes is not supported, only one score per row");
}

#[test]
fn models_of_other_kinds_are_refused_by_name() {
    let learner = "/learner";
    insta::assert_snapshot!(refusals([
        with("/learner/gradient_booster", "name", json!("dart")),
        with("/learner/objective", "name", json!("rank:pairwise")),
        with(PARAM, "num_class", json!("1000000")),
        with(PARAM, "num_target", json!("2")),
        with(PARAM, "base_score", json!("[5E-1,5E-1]")),
        with("/learner/gradient_booster/model", "tree_info", json!([1])),
        with(&format!("{TREE}/tree_param"), "size_leaf_vector", json!("3")),
        with(TREE, "split_type", json!([1, 0, 0])),
        with(learner, "objective", json!({"name": "a\nb"})),
    ]), @r"
    booster `dart` is not supported, only `gbtree` and `gblinear`
    objective `rank:pairwise` is not supported, only `binary:logistic`, `binary:logitraw`, `reg:logistic` and `reg:squarederror`
    a model of 1000000 classes is not supported, only one score per row
    a model of 2 targets is not supported, only one score per row
    a model of 2 targets is not supported, only one score per row
    a model of 2 classes is not supported, only one score per row
    leaves of 3 values are not supported, only one score per row
    tree 0 splits by category, which is not supported
    objective `a\nb` is not supported, only `binary:logistic`, `binary:logitraw`, `reg:logistic` and `reg:squarederror`
    ");
}

#[test]
fn trees_that_would_not_end_or_would_look_elsewhere_are_refused() {
    let children = |left: Value, right: Value| {
        let mut model = with(TREE, "left_children", left);
        model.pointer_mut(TREE).unwrap()["right_children"] = right;
        model
    };
    insta::assert_snapshot!(refusals([
        children(json!([0, -1, -1]), json!([1, -1, -1])),
        children(json!([1, 1, -1]), json!([2, 2, -1])),
        with(TREE, "left_children", json!([0, -1, -1])),
        with(TREE, "left_children", json!([2, -1, -1])),
        with(TREE, "left_children", json!([3, -1, -1])),
        with(TREE, "left_children", json!([-7, -1, -1])),
        with(TREE, "left_children", json!([-1, -1, -1])),
        with(TREE, "right_children", json!([-1, -1, -1])),
        with(TREE, "right_children", json!([2_000_000_000, -1, -1])),
        with(TREE, "split_indices", json!([2, 0, 0])),
        with(TREE, "split_indices", json!([-1, 0, 0])),
        with(TREE, "split_indices", json!([1, 0x7fff_ffff, 0])),
        with(TREE, "split_conditions", json!([1e300, 0.5, 0.5])),
    ]), @"
    tree 0 is malformed: the root is the child of node 0
    tree 0 is malformed: node 1 has more than one parent
    tree 0 is malformed: node 0 has children 0 and 2, but XGBoost takes the right child to follow the left one
    tree 0 is malformed: node 0 has children 2 and 2, but XGBoost takes the right child to follow the left one
    tree 0 is malformed: node 0 has child 3, but there are 3 nodes
    tree 0 is malformed: node 0 has child -7, but there are 3 nodes
    tree 0 is malformed: node 0 has child -1, but there are 3 nodes
    tree 0 is malformed: node 0 has child -1, but there are 3 nodes
    tree 0 is malformed: node 0 has child 2000000000, but there are 3 nodes
    tree 0 is malformed: node 0 splits by feature 2, but there are 2 features
    tree 0 is malformed: node 0 splits by feature 4294967295, but there are 2 features
    tree 0 is malformed: node 0 has child 1, which is marked as deleted
    tree 0 is malformed: the threshold of node 0 is not finite
    ");
}

/// In JSON they are written as `XGBoost` writes them, which is no JSON.
#[test]
fn thresholds_that_are_no_numbers_are_refused() {
    let words = [(f32::NAN, "NaN"), (f32::INFINITY, "Infinity"), (f32::NEG_INFINITY, "-Infinity")];
    let refusals = words.map(|(value, word)| {
        let mut bytes = ubjson::encode(&valid());
        let threshold = 0.5_f32.to_be_bytes();
        let at = bytes.windows(4).rposition(|window| window == threshold).unwrap();
        bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        let json = with(TREE, "split_conditions", json!(["?", -0.25, 0.75])).to_string().replace("\"?\"", word);
        let from_json = chain(&Model::read(json.as_bytes()).unwrap_err());
        assert_eq!(from_json, chain(&Model::read(&bytes).unwrap_err()));
        from_json
    });
    insta::assert_snapshot!(refusals.join("\n"), @"
    tree 0 is malformed: the threshold of node 0 is not finite
    tree 0 is malformed: the threshold of node 0 is not finite
    tree 0 is malformed: the threshold of node 0 is not finite
    ");
}

#[test]
fn statistics_that_are_no_numbers_count_as_none() {
    let json = with(TREE, "sum_hessian", json!(["?", 1.0, 1.0])).to_string().replace("\"?\"", "NaN");
    let model = Model::read(json.as_bytes()).unwrap();
    assert_eq!(model.contributions(&[0.0, 0.4]), [0.0, -0.5, 0.25]);
}

#[test]
fn the_words_for_no_number_stay_as_they_are_within_a_text() {
    let names = json!(["NaN\"", "\\Infinity"]);
    let json = with("/learner", "feature_names", names).to_string().replace("1.5", "-Infinity");
    assert_eq!(Model::read(json.as_bytes()).unwrap().feature_names(), ["NaN\"", "\\Infinity"]);
}

#[test]
fn lists_of_the_wrong_length_or_kind_are_refused() {
    insta::assert_snapshot!(refusals([
        with(TREE, "default_left", json!([1, 0])),
        with(TREE, "split_conditions", json!([0.5, 0.5, 0.5, 0.5])),
        with(TREE, "left_children", json!([1, "x", -1])),
        with(TREE, "left_children", json!([1.5, -1.0, -1.0])),
        with(TREE, "split_type", json!("none")),
        with(&format!("{TREE}/tree_param"), "num_nodes", json!("18446744073709551615")),
        with("/learner/gradient_booster/model", "tree_info", json!([0, 0])),
        with("/learner/gradient_booster/model", "trees", json!([])),
        with("/learner/gradient_booster/model", "trees", json!([1])),
        with("/learner/gradient_booster/model", "trees", json!(["x"])),
        with("/learner", "feature_names", json!(["a"])),
        with("/learner", "feature_names", json!(["a", "a"])),
        with("/learner", "feature_names", json!([1, 2])),
        with("/learner", "gradient_booster", json!({"name": "gblinear", "model": {"weights": [1.0, 2.0]}})),
    ]), @"
    `learner.gradient_booster.model.trees[0].default_left` has 2 entries instead of 3
    `learner.gradient_booster.model.trees[0].split_conditions` has 4 entries instead of 3
    `learner.gradient_booster.model.trees[0].left_children` is not a list of numbers
    `learner.gradient_booster.model.trees[0].left_children` is not a list of whole numbers
    `learner.gradient_booster.model.trees[0].split_type` is not a list of numbers
    `learner.gradient_booster.model.trees[0].left_children` has 3 entries instead of 18446744073709551615
    `learner.gradient_booster.model.tree_info` has 2 entries instead of 1
    `learner.gradient_booster.model.trees` has 0 entries instead of 1
    `learner.gradient_booster.model.trees` is not a list of trees
    `learner.gradient_booster.model.trees[0]` is not an object
    `learner.feature_names` has 1 entries instead of 2
    feature name `a` stands there twice
    `learner.feature_names` is not a list of texts
    `learner.gradient_booster.model.weights` has 2 entries instead of 3
    ");
}

#[test]
fn missing_members_are_named_by_their_path() {
    insta::assert_snapshot!(refusals([
        json!({}),
        without("/learner", "objective"),
        without(PARAM, "base_score"),
        without(TREE, "sum_hessian"),
        with("/learner", "gradient_booster", json!([])),
    ]), @"
    `learner` is missing
    `learner.objective` is missing
    `learner.learner_model_param.base_score` is missing
    `learner.gradient_booster.model.trees[0].sum_hessian` is missing
    `learner.gradient_booster` is not an object
    ");
}

#[test]
fn numbers_out_of_range_are_refused() {
    insta::assert_snapshot!(refusals([
        with(PARAM, "num_feature", json!("0")),
        with(PARAM, "num_feature", json!("1000000000000")),
        with(PARAM, "num_feature", json!("-1")),
        with(PARAM, "base_score", json!("0")),
        with(PARAM, "base_score", json!("1E0")),
        with(PARAM, "base_score", json!("NaN")),
        with(PARAM, "base_score", json!("[]")),
        with(PARAM, "base_score", json!(0.5)),
    ]), @"
    0 features are not between 1 and 1000000
    1000000000000 features are not between 1 and 1000000
    `learner.learner_model_param.num_feature` is not a count
    base score 0 is not between 0 and 1
    base score 1 is not between 0 and 1
    base score NaN is not between 0 and 1
    `learner.learner_model_param.base_score` is not a number as text
    `learner.learner_model_param.base_score` is not a text
    ");
}

#[test]
fn parts_that_make_no_model_are_refused() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let trees = |names: &[String]| chain(&Model::boosted(names, 0.0, vec![]).unwrap_err());
    let a = names(&["a"]);
    let cases = [
        trees(&[]),
        trees(&(0..=FEATURES_LIMIT).map(|index| index.to_string()).collect::<Vec<_>>()),
        trees(&names(&["a", "a"])),
        trees(&names(&[""])),
        trees(&names(&["a[0]"])),
        trees(&names(&["a\nb"])),
        chain(&Model::boosted(&a, f32::NAN, vec![Tree::constant(0.0).unwrap()]).unwrap_err()),
        chain(&Model::linear(&a, vec![], 0.0).unwrap_err()),
        chain(&Model::linear(&a, vec![0.0], f32::INFINITY).unwrap_err()),
    ];
    insta::assert_snapshot!(cases.join("\n"), @r"
    0 features are not between 1 and 1000000
    1000001 features are not between 1 and 1000000
    feature name `a` stands there twice
    feature name `` is empty
    feature name `a[0]` contains `[`, `]` or `<`, which XGBoost refuses
    feature name `a\nb` contains a quote, a backslash or a control character
    base margin NaN is not finite
    `weights` has 0 entries instead of 1
    weight 1 is not finite
    ");
}

#[test]
fn a_list_as_base_score_is_read_but_earlier_releases_ignore_it() {
    let model = read(&with(PARAM, "base_score", json!("[2.5E-1]")));
    assert_eq!(model.margin(&[0.0, 0.4]), -(3.0_f32.ln()) - 0.25);
    let releases = [(1, 7), (3, 0), (3, 1), (3, 2)];
    assert_eq!(releases.map(|(major, minor)| model.needs_rewrite_for(major, minor)), [true, true, false, false]);
    insta::assert_snapshot!(model.misread_by(1, 7).unwrap(), @"XGBoost before 3.1 ignores a base score written as a list");
    assert!(!Model::read(&model.to_json()).unwrap().needs_rewrite_for(1, 7));
}

/// A model of six trees, each of which adds a weight of its own, so that a margin says which of them count.
fn six_trees(attributes: Value) -> Value {
    let mut value = with("/learner", "attributes", attributes);
    let model = value.pointer_mut("/learner/gradient_booster/model").unwrap();
    let trees = (0..6).map(|index| {
        let mut tree = model["trees"][0].clone();
        tree["split_conditions"] = json!([0.5, f64::from(1 << index), 0.0]);
        tree
    });
    model["trees"] = trees.collect();
    model["tree_info"] = json!([0, 0, 0, 0, 0, 0]);
    model["gbtree_model_param"]["num_trees"] = json!("6");
    value
}

/// Which trees count, and how many of them are scored with.
fn counted(value: &Value) -> String {
    let model = read(value);
    let rewritten = Model::read(&model.to_json()).unwrap();
    assert_eq!(model.margin(&[0.0, 0.4]).to_bits(), rewritten.margin(&[0.0, 0.4]).to_bits());
    assert_eq!(rewritten.early_stop(), None);
    let stop = model.early_stop().map_or("all".to_owned(), |stop| stop.to_string());
    assert_eq!(model.needs_rewrite_for(3, 2), model.early_stop().is_some());
    format!("{stop}: {}", model.margin(&[0.0, 0.4]))
}

fn in_booster(mut value: Value, member: &str, of: &Value) -> Value {
    value.pointer_mut("/learner/gradient_booster/model").unwrap()[member] = of.clone();
    value
}

#[test]
fn the_trees_after_the_best_iteration_do_not_count() {
    let best = |iteration: &str| json!({ "best_iteration": iteration, "best_score": "0.1" });
    let param = |per_round: &str| json!({ "num_parallel_tree": per_round, "num_trees": "6" });
    let without = json!({ "num_trees": "6" });
    let old = |attributes| in_booster(six_trees(attributes), "gbtree_model_param", &without);
    let wrapper = r#"{"missing": NaN, "best_iteration": 1, "best_ntree_limit": 4, "num_parallel_tree": 2}"#;
    let cases = [
        counted(&six_trees(json!({}))),
        counted(&six_trees(best("0"))),
        counted(&six_trees(best("4"))),
        counted(&six_trees(best("5"))),
        counted(&six_trees(best("6"))),
        counted(&six_trees(best("18446744073709551615"))),
        counted(&six_trees(best("none"))),
        counted(&in_booster(six_trees(best("1")), "gbtree_model_param", &param("2"))),
        counted(&in_booster(six_trees(best("1")), "iteration_indptr", &json!([0, 2, 3, 6]))),
        counted(&old(json!({ "best_iteration": "1", "best_ntree_limit": "4" }))),
        counted(&old(json!({ "best_iteration": "1", "scikit_learn": wrapper }))),
        counted(&old(json!({ "best_iteration": "1", "scikit_learn": "{}" }))),
    ];
    insta::assert_snapshot!(cases.join("\n"), @"
    all: 63
    1 of 6 (best iteration 0): 1
    5 of 6 (best iteration 4): 31
    all: 63
    all: 63
    all: 63
    all: 63
    4 of 6 (best iteration 1): 15
    3 of 6 (best iteration 1): 7
    4 of 6 (best iteration 1): 15
    4 of 6 (best iteration 1): 15
    2 of 6 (best iteration 1): 3
    ");
}

#[test]
fn rounds_that_do_not_add_up_to_the_trees_are_refused() {
    let with = |starts: Value| in_booster(six_trees(json!({ "best_iteration": "1" })), "iteration_indptr", &starts);
    let refused = [json!([]), json!([0, 3]), json!([1, 6]), json!([0, 4, 2, 6])].map(|starts| refusal(&with(starts)));
    insta::assert_snapshot!(refused.join("\n"), @"
    `learner.gradient_booster.model.iteration_indptr` is not a list that rises from 0 to the number of trees
    `learner.gradient_booster.model.iteration_indptr` is not a list that rises from 0 to the number of trees
    `learner.gradient_booster.model.iteration_indptr` is not a list that rises from 0 to the number of trees
    `learner.gradient_booster.model.iteration_indptr` is not a list that rises from 0 to the number of trees
    ");
}

#[test]
fn a_tree_limit_that_contradicts_the_best_iteration_is_followed_by_containers_of_1_x_alone() {
    let model = read(&six_trees(json!({ "best_ntree_limit": "1" })));
    assert_eq!((model.trees().len(), model.early_stop()), (6, None));
    let releases = [(1, 3), (1, 5), (1, 7), (3, 0), (3, 2)];
    let misread = releases.map(|(major, minor)| model.misread_by(major, minor));
    let ignored = Misreading::LaterTreesIgnored { trees: 1 };
    assert_eq!(misread, [Some(Misreading::NewerForm), Some(ignored), Some(ignored), None, None]);
    insta::assert_snapshot!(ignored, @"XGBoost 1.x leaves out the trees after number 1, which count");
    let agrees = read(&six_trees(json!({ "best_iteration": "1", "best_ntree_limit": "2" })));
    assert_eq!((agrees.trees().len(), agrees.misread_by(1, 7)), (2, None));
}

#[test]
fn releases_before_1_6_need_json_with_words_for_truth_values() {
    let numbers = valid();
    let model = Model::read(numbers.to_string().as_bytes()).unwrap();
    let releases = [(1, 3), (1, 5), (1, 6), (1, 7), (3, 2)];
    assert_eq!(releases.map(|(major, minor)| model.needs_rewrite_for(major, minor)), [true, true, false, false, false]);
    insta::assert_snapshot!(model.misread_by(1, 5).unwrap(), @"XGBoost before 1.6 does not read the form of later releases");
    assert!(!Model::read(&model.to_json()).unwrap().needs_rewrite_for(1, 3));
    let words = with(TREE, "default_left", json!([true, false, false]));
    assert!(!Model::read(words.to_string().as_bytes()).unwrap().needs_rewrite_for(1, 3));
    assert!(Model::read(&ubjson::encode(&words)).unwrap().needs_rewrite_for(1, 5));
}

#[test]
fn nodes_that_pruning_deleted_are_left_out() {
    let deleted = 0x7fff_ffff_i64;
    let mut value = valid();
    let tree = value.pointer_mut(TREE).unwrap();
    tree["left_children"] = json!([3, -1, -1, -1, -1]);
    tree["right_children"] = json!([4, -1, -1, -1, -1]);
    tree["split_indices"] = json!([1, deleted, deleted, 0, 0]);
    tree["split_conditions"] = json!([0.5, 9.5, 9.5, -0.25, 0.75]);
    for list in ["default_left", "split_type"] {
        tree[list] = json!([0, 0, 0, 0, 0]);
    }
    for list in ["loss_changes", "sum_hessian"] {
        tree[list] = json!([0.5, 0.5, 0.5, 0.5, 0.5]);
    }
    tree["tree_param"]["num_nodes"] = json!("5");
    let model = read(&value);
    assert_eq!(model.trees()[0].nodes().len(), 3);
    assert_eq!(model.margin(&[0.0, 0.4]), -0.25);
}

#[test]
fn a_linear_model_without_its_rounds_is_misread_from_3_1() {
    let whole = Model::linear(&["a".to_owned()], vec![0.5], 0.25).unwrap().to_json();
    let releases = [(1, 3), (1, 7), (3, 0), (3, 1), (3, 2)];
    let misread = |rounds: Value| {
        let mut file: Value = serde_json::from_slice(&whole).unwrap();
        let model = file["learner"]["gradient_booster"]["model"].as_object_mut().unwrap();
        model.insert("boosted_rounds".to_owned(), rounds);
        model.retain(|_, value| !value.is_null());
        let model = Model::read(&serde_json::to_vec(&file).unwrap()).unwrap();
        releases.map(|(major, minor)| model.misread_by(major, minor).is_some())
    };
    assert_eq!(misread(json!(1)), [false; 5]);
    let newer = [false, false, false, true, true];
    assert_eq!((misread(json!(null)), misread(json!(0))), (newer, newer));
}
