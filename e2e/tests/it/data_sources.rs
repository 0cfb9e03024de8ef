//! Rows that are not on this machine: at a URL, or in S3.

use std::fs;

use crate::harness::rows::{FEATURES, csv, sha256};
use crate::harness::web::{Web, moved, ok, said_to_have};
use crate::harness::{Http, Inventory, Pipeline, Ran, Scene};

const OURS: &str = "pipeline.yaml";
const ROWS: u32 = 300;

/// A `train:` with these rows, and a model that trains in no time.
fn train(data: &str, trees: u32, require: &str) -> Pipeline {
    Pipeline::train(format!(
        "{{ data: {data}, features: {FEATURES}, require: {require}, \
         algorithm: {{ gradient-boosting: {{ trees: {trees}, depth: 2 }} }} }}"
    ))
}

fn at_url(url: &str, sha256: &str) -> String {
    format!("{{ url: \"{url}\", sha256: {sha256} }}")
}

/// Applies rows that must be refused before anything is deployed.
#[track_caller]
fn refused(scene: &Scene, code: i32) -> Ran {
    let ran = scene.runner(&["apply"]).exits(code);
    let ours = |kind: &str| matches!(kind, "role" | "model" | "function");
    assert_eq!(scene.aws().inventory().into_iter().find(|(kind, _)| ours(kind)), None);
    ran
}

/// The error and its causes, without the progress before it.
#[track_caller]
fn error(ran: &Ran) -> &str {
    &ran.stderr[ran.stderr.find("error: ").unwrap_or_else(|| panic!("no error: {}", ran.stderr))..]
}

#[test]
fn rows_at_a_url_are_downloaded_once_wherever_they_are_said_to_be() {
    let rows = csv(ROWS, 1);
    let web = Web::new(&[("/old.csv", moved("/moved.csv")), ("/moved.csv", ok(&rows))]);
    let data = at_url(&web.url("/old.csv"), &sha256(&rows));
    let scene = Scene::new(&train(&data, 3, "{}"));
    let applied = scene.apply();
    assert!(applied.stderr.contains("train: downloading http://127.0.0.1:"), "{}", applied.stderr);
    assert_eq!(web.asked(), ["/old.csv", "/moved.csv"]);

    let aws = scene.aws();
    aws.clear_requests();
    scene.apply();
    assert_eq!(aws.writes(), Vec::<String>::new());
    // Another model of the same rows needs no download either.
    scene.write(&train(&data, 4, "{ average-precision: 1 }"));
    scene.runner(&["apply"]).exits(3);
    assert_eq!(web.asked().len(), 2);
}

#[test]
fn a_download_that_is_not_the_rows_is_refused_before_anything_is_deployed() {
    let rows = csv(ROWS, 1);
    let half = &rows[..rows.len() / 2];
    let web = Web::new(&[
        ("/other.csv", ok(&csv(ROWS, 2))),
        ("/short.csv", said_to_have(rows.len(), half)),
        ("/round.csv", moved("/round.csv")),
        ("/nowhere.csv", moved("ftp://127.0.0.1/rows.csv")),
        ("/words.csv", ok("V1,V2,V3,Class\n1,2,3,0\n1,many,3,1\n")),
    ]);
    let wanted = sha256(&rows);
    let words = sha256("V1,V2,V3,Class\n1,2,3,0\n1,many,3,1\n");
    let scene = Scene::new(&Pipeline::default());
    let mut said = String::new();
    for (path, sha256) in [
        ("/other.csv", &wanted),
        ("/short.csv", &wanted),
        ("/missing.csv", &wanted),
        ("/round.csv", &wanted),
        ("/nowhere.csv", &wanted),
        ("/words.csv", &words),
    ] {
        scene.write(&train(&at_url(&web.url(path), sha256), 3, "{}"));
        said = format!("{said}{path}\n{}", scene.steady(error(&refused(&scene, 1))));
    }
    insta::assert_snapshot!(said, @"
    /other.csv
    error: stage `train` could not create model-file `ffffffffffff`
      because: could not use http://127.0.0.1:54321/other.csv (ffffffffffff)
      because: its SHA-256 is ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff, and `sha256` is ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff: it is not the file that was meant
    /short.csv
    error: stage `train` could not create model-file `ffffffffffff`
      because: could not download http://127.0.0.1:54321/short.csv
      because: error reading a body from connection: end of file before message length reached
    /missing.csv
    error: stage `train` could not create model-file `ffffffffffff`
      because: could not download http://127.0.0.1:54321/missing.csv
      because: http://127.0.0.1:54321/missing.csv answered 404 Not Found
    /round.csv
    error: stage `train` could not create model-file `ffffffffffff`
      because: could not download http://127.0.0.1:54321/round.csv
      because: it was said to be elsewhere more than 5 times
    /nowhere.csv
    error: stage `train` could not create model-file `ffffffffffff`
      because: could not download http://127.0.0.1:54321/nowhere.csv
      because: http://127.0.0.1:54321/nowhere.csv answered 302 Found to `ftp://127.0.0.1/rows.csv`, which is not followed
    /words.csv
    error: stage `train` could not create model-file `ffffffffffff`
      because: could not use http://127.0.0.1:54321/words.csv (ffffffffffff)
      because: `.runner/cache/data/ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff` has a cell that cannot be used
          line 3, column `V2`: `many` is not a number
    ");
    assert_eq!(scene.aws().inventory(), Inventory::new());
    // What was refused was not kept.
    assert_eq!(scene.files().iter().filter(|file| file.starts_with(".runner/cache/data/")).count(), 1);
}

#[test]
fn rows_in_s3_are_pinned_by_what_is_there() {
    let scene = Scene::new(&train("s3://rows/fraud/rows.csv", 3, "{}"));
    let planned = scene.runner(&["plan"]).exits(64);
    insta::assert_snapshot!(scene.steady(&planned.stderr), @"
    error: `s3://rows/fraud/rows.csv` is in the local cloud, which has never been started
     --> pipeline.yaml:5:20
      |
    5 |   - train: { data: s3://rows/fraud/rows.csv, features: [V1..V3], require: {}, algorithm: { gradient-boosting: { trees: 3, depth: 2 } } }
      |                    ^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: `runner apply` starts it
    ");
    let missing = refused(&scene, 64);
    insta::assert_snapshot!(scene.steady(error(&missing)), @"
    error: `s3://rows/fraud/rows.csv` is not there
     --> pipeline.yaml:5:20
      |
    5 |   - train: { data: s3://rows/fraud/rows.csv, features: [V1..V3], require: {}, algorithm: { gradient-boosting: { trees: 3, depth: 2 } } }
      |                    ^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: the local cloud has its own S3; `runner local env` says how other programs reach it
    ");

    let aws = scene.aws();
    let put = |rows: &str| aws.signed("s3", "PUT", "/rows/fraud/rows.csv", &[], rows);
    aws.signed("s3", "PUT", "/rows", &[], "");
    put(&csv(ROWS, 1));
    let applied = scene.apply();
    assert!(applied.stdout.contains("s3://rows/fraud/rows.csv ("), "{}", applied.stdout);
    scene.keeps_all(OURS);
    aws.clear_requests();
    scene.apply();
    assert_eq!(aws.writes(), Vec::<String>::new());

    let serves = || scene.aws().inventory().into_iter().find(|(kind, _)| *kind == "model").unwrap();
    let before = serves();
    put(&csv(ROWS, 2));
    let planned = scene.runner(&["plan", "--detailed-exitcode"]).exits(2);
    assert!(planned.stdout.contains("+ train            model-file "), "{}", planned.stdout);
    scene.apply();
    assert_ne!(serves(), before);
    let url = scene.url(OURS);
    let (request, _) = &crate::harness::rows::requests(&csv(1, 1))[0];
    assert_eq!(Http::new().post(&url, request).status, 200);
}

#[test]
fn an_object_in_s3_of_another_sha256_is_refused() {
    let scene = Scene::new(&train(&format!("{{ s3: s3://rows/rows.csv, sha256: {} }}", sha256("")), 3, "{}"));
    let missing = refused(&scene, 1);
    for told in ["s3:GetObject on object `s3://rows/rows.csv` was refused (NoSuchBucket", "bucket does not exist"] {
        assert!(error(&missing).contains(told), "{}", missing.stderr);
    }
    let aws = scene.aws();
    aws.signed("s3", "PUT", "/rows", &[], "");
    let rows = csv(ROWS, 1);
    aws.signed("s3", "PUT", "/rows/rows.csv", &[], &rows);
    let other = refused(&scene, 1);
    insta::assert_snapshot!(scene.steady(error(&other)), @"
    error: stage `train` could not create model-file `ffffffffffff`
      because: could not use s3://rows/rows.csv (ffffffffffff)
      because: its SHA-256 is ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff, and `sha256` is ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff: it is not the file that was meant
    ");
    let pinned = format!("{{ s3: s3://rows/rows.csv, sha256: {} }}", sha256(&rows));
    scene.write(&train(&pinned, 3, "{ average-precision: 1 }"));
    refused(&scene, 3);
}

#[test]
fn rows_of_a_kind_that_is_not_what_the_name_says_are_told_by_content() {
    let scene = Scene::bare(&train("rows.csv", 3, "{}"));
    fs::write(scene.path("rows.csv"), "PAR1 is how Parquet begins and not how it ends").unwrap();
    let refused = scene.runner(&["plan"]).exits(64);
    insta::assert_snapshot!(refused.stderr, @"
    error: `rows.csv` is cut off or damaged in its metadata: Parquet error: Invalid Parquet file. Corrupt footer
     --> pipeline.yaml:5:20
      |
    5 |   - train: { data: rows.csv, features: [V1..V3], require: {}, algorithm: { gradient-boosting: { trees: 3, depth: 2 } } }
      |                    ^^^^^^^^
    ");
    fs::write(scene.path("rows.csv"), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]).unwrap();
    let refused = scene.runner(&["plan"]).exits(64);
    insta::assert_snapshot!(refused.stderr, @"
    error: `rows.csv` is cut off or damaged in line 1: unexpected end of file
     --> pipeline.yaml:5:20
      |
    5 |   - train: { data: rows.csv, features: [V1..V3], require: {}, algorithm: { gradient-boosting: { trees: 3, depth: 2 } } }
      |                    ^^^^^^^^
    ");
}

/// 8 GB in a line that packs to 8 MB, read with 3 GB of address space.
#[test]
fn a_gzipped_file_that_unpacks_to_far_more_is_refused_within_bounded_memory() {
    let scene = Scene::bare(&train("rows.csv.gz", 3, "{}"));
    let mut member = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
    std::io::Write::write_all(&mut member, &vec![b'1'; 8 << 20]).unwrap();
    fs::write(scene.path("rows.csv.gz"), member.finish().unwrap().repeat(1024)).unwrap();
    let mut command = std::process::Command::new("sh");
    let runner = scene.command(&["plan"]);
    command.args(["-c", "ulimit -v 3000000 && exec \"$0\" plan"]).arg(runner.get_program());
    let output = command.current_dir(scene.path(".")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("`rows.csv.gz` has a row of more than 1048576 bytes"), "{said}");
}
