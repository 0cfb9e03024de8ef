use crate::stage;

#[test]
fn a_url_without_its_sha256() {
    insta::assert_snapshot!(stage("- train: { data: 'https://example.com/rows.csv' }\n"), @"
    error: a URL needs a `sha256`, since what it leads to may change
     --> pipeline.yaml:3:18
      |
    3 | - train: { data: 'https://example.com/rows.csv' }
      |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: `curl -L URL | sha256sum` prints it
      = help: write `{ url: https://…, sha256: … }`
    ");
    insta::assert_snapshot!(stage("- train: { data: { url: 'https://example.com/rows.csv' } }\n"), @"
    error: a URL needs a `sha256`, since what it leads to may change
     --> pipeline.yaml:3:25
      |
    3 | - train: { data: { url: 'https://example.com/rows.csv' } }
      |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: `curl -L URL | sha256sum` prints it
      = help: write `{ url: https://…, sha256: … }`
    ");
}

#[test]
fn a_sha256_that_is_none() {
    insta::assert_snapshot!(stage("- train: { data: { url: 'https://example.com/rows.csv', sha256: e3b0c442 } }\n"), @"
    error: `sha256` must be 64 hexadecimal digits, not 8
     --> pipeline.yaml:3:65
      |
    3 | - train: { data: { url: 'https://example.com/rows.csv', sha256: e3b0c442 } }
      |                                                                 ^^^^^^^^
      |
      = help: `sha256sum FILE` prints it for a copy of the file
    ");
    insta::assert_snapshot!(stage("- train: { data: { s3: 's3://rows/a.csv', sha256: g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 } }\n"), @"
    error: `sha256` must be 64 hexadecimal digits, and `g` is none
     --> pipeline.yaml:3:51
      |
    3 | - train: { data: { s3: 's3://rows/a.csv', sha256: g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 } }
      |                                                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: `sha256sum FILE` prints it for a copy of the file
    ");
    insta::assert_snapshot!(stage("- train: { test-data: { url: 'https://example.com/rows.csv', sha256: 1111111111111111111111111111111111111111111111111111111111111111 } }\n"), @r#"
    error: `sha256` must be text, not the number 1.1111111111111112e63
     --> pipeline.yaml:3:70
      |
    3 | ...//example.com/rows.csv', sha256: 1111111111111111111111111111111111111111111111111111111111111111 } }
      |                                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: put it in quotes: "1111111111111111111111111111111111111111111111111111111111111111"
    "#);
}

#[test]
fn a_sha256_of_what_this_machine_has() {
    insta::assert_snapshot!(stage("- train: { data: { path: rows.csv, sha256: e3b0c442 } }\n"), @"
    error: `sha256` goes with `url` or `s3`
     --> pipeline.yaml:3:36
      |
    3 | - train: { data: { path: rows.csv, sha256: e3b0c442 } }
      |                                    ^^^^^^
      |
      = help: leave it out: what is on this machine is hashed as it is
    ");
    insta::assert_snapshot!(stage("- train: { data: { generate: {}, sha256: x } }\n"), @"
    error: `sha256` goes with `url` or `s3`
     --> pipeline.yaml:3:34
      |
    3 | - train: { data: { generate: {}, sha256: x } }
      |                                  ^^^^^^
      |
      = help: leave it out: what is on this machine is hashed as it is
    ");
}

#[test]
fn a_url_that_somebody_on_the_way_could_change() {
    insta::assert_snapshot!(stage("- train: { data: { url: 'http://example.com/rows.csv', sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 } }\n"), @"
    error: `url` must begin with `https://`
     --> pipeline.yaml:3:25
      |
    3 | - train: { data: { url: 'http://example.com/rows.csv', sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 } }
      |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write `https://`; `http://` is only for this machine, such as `http://127.0.0.1:8000/rows.csv`
    ");
    insta::assert_snapshot!(stage("- train: { data: { url: 'http://localhost.example.com/rows.csv', sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 } }\n"), @"
    error: `url` must begin with `https://`
     --> pipeline.yaml:3:25
      |
    3 | - train: { data: { url: 'http://localhost.example.com/rows.csv', sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852...
      |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write `https://`; `http://` is only for this machine, such as `http://127.0.0.1:8000/rows.csv`
    ");
}

#[test]
fn a_url_with_a_password() {
    insta::assert_snapshot!(stage("- train: { data: { url: 'https://me:secret@example.com/rows.csv', sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 } }\n"), @"
    error: `url` must not hold a name or a password
     --> pipeline.yaml:3:25
      |
    3 | - train: { data: { url: 'https://me:secret@example.com/rows.csv', sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b785...
      |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: they would stand in plans and logs; download it first, and name the copy
    ");
    insta::assert_snapshot!(stage("- train: { data: { url: 'http://127.0.0.1@example.com/rows.csv', sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 } }\n"), @"
    error: `url` must not hold a name or a password
     --> pipeline.yaml:3:25
      |
    3 | - train: { data: { url: 'http://127.0.0.1@example.com/rows.csv', sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852...
      |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: they would stand in plans and logs; download it first, and name the copy
    ");
}

#[test]
fn a_url_that_is_none() {
    insta::assert_snapshot!(stage("- train: { data: { url: rows.csv, sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 } }\n"), @"
    error: `rows.csv` is no URL of a file on the web
     --> pipeline.yaml:3:25
      |
    3 | - train: { data: { url: rows.csv, sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 } }
      |                         ^^^^^^^^
      |
      = help: for example `https://example.com/rows.csv.gz`
    ");
    insta::assert_snapshot!(stage("- train: { data: { url: 'https:///rows.csv', sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 } }\n"), @"
    error: `https:///rows.csv` is no URL of a file on the web
     --> pipeline.yaml:3:25
      |
    3 | - train: { data: { url: 'https:///rows.csv', sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 } }
      |                         ^^^^^^^^^^^^^^^^^^^
      |
      = help: for example `https://example.com/rows.csv.gz`
    ");
    insta::assert_snapshot!(stage("- train: { data: { url: 'https://example.com:web/rows.csv', sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 } }\n"), @"
    error: `https://example.com:web/rows.csv` is no URL of a file on the web
     --> pipeline.yaml:3:25
      |
    3 | - train: { data: { url: 'https://example.com:web/rows.csv', sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 } }
      |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: for example `https://example.com/rows.csv.gz`
    ");
    insta::assert_snapshot!(stage("- train: { data: { url: 'https://example.com/my rows.csv', sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 } }\n"), @"
    error: `https://example.com/my rows.csv` is no URL of a file on the web
     --> pipeline.yaml:3:25
      |
    3 | - train: { data: { url: 'https://example.com/my rows.csv', sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 } }
      |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: for example `https://example.com/rows.csv.gz`
    ");
}

#[test]
fn a_scheme_that_is_not_read() {
    insta::assert_snapshot!(stage("- train: { data: 'ftp://example.com/rows.csv' }\n"), @"
    error: `ftp://example.com/rows.csv` is neither a path nor a URL that can be read
     --> pipeline.yaml:3:18
      |
    3 | - train: { data: 'ftp://example.com/rows.csv' }
      |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write a path, an `s3://` URI, or `{ url: https://…, sha256: … }`
    ");
    insta::assert_snapshot!(stage("- train: { data: { path: 's3://rows/a.csv' } }\n"), @"
    error: `path` must be a file of this machine, not `s3://rows/a.csv`
     --> pipeline.yaml:3:26
      |
    3 | - train: { data: { path: 's3://rows/a.csv' } }
      |                          ^^^^^^^^^^^^^^^^^
      |
      = help: write `s3:` in place of `path:`
    ");
    insta::assert_snapshot!(stage("- train: { data: { path: 'https://example.com/a.csv' } }\n"), @"
    error: `path` must be a file of this machine, not `https://example.com/a.csv`
     --> pipeline.yaml:3:26
      |
    3 | - train: { data: { path: 'https://example.com/a.csv' } }
      |                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write `url:` in place of `path:`, and `sha256:` beside it
    ");
    insta::assert_snapshot!(stage("- train: { data: { path: 'ftp://example.com/a.csv' } }\n"), @"
    error: `path` must be a file of this machine, not `ftp://example.com/a.csv`
     --> pipeline.yaml:3:26
      |
    3 | - train: { data: { path: 'ftp://example.com/a.csv' } }
      |                          ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: download it first, and name the copy
    ");
}

#[test]
fn an_s3_uri_that_is_none() {
    insta::assert_snapshot!(stage("- train: { data: 's3://rows' }\n"), @"
    error: an object's key must not be empty
     --> pipeline.yaml:3:18
      |
    3 | - train: { data: 's3://rows' }
      |                  ^^^^^^^^^^^
      |
      = help: an S3 URI reads like `s3://bucket/folder/rows.csv`
    ");
    insta::assert_snapshot!(stage("- train: { data: 's3://rows/folder/' }\n"), @"
    error: an object's key does not end with `/`, as a folder's does
     --> pipeline.yaml:3:18
      |
    3 | - train: { data: 's3://rows/folder/' }
      |                  ^^^^^^^^^^^^^^^^^^^
      |
      = help: an S3 URI reads like `s3://bucket/folder/rows.csv`
    ");
    insta::assert_snapshot!(stage("- train: { data: 's3://Rows/a.csv' }\n"), @"
    error: a bucket's name has only lower-case letters, digits, hyphens and dots, not `R`
     --> pipeline.yaml:3:18
      |
    3 | - train: { data: 's3://Rows/a.csv' }
      |                  ^^^^^^^^^^^^^^^^^
      |
      = help: an S3 URI reads like `s3://bucket/folder/rows.csv`
    ");
    insta::assert_snapshot!(stage("- train: { data: { s3: rows/a.csv } }\n"), @"
    error: `rows/a.csv` is no S3 URI
     --> pipeline.yaml:3:24
      |
    3 | - train: { data: { s3: rows/a.csv } }
      |                        ^^^^^^^^^^
      |
      = help: an S3 URI reads like `s3://bucket/folder/rows.csv`
    ");
    insta::assert_snapshot!(stage("- train: { data: 's3:///a.csv' }\n"), @"
    error: a bucket's name has 3 to 63 characters, not 0
     --> pipeline.yaml:3:18
      |
    3 | - train: { data: 's3:///a.csv' }
      |                  ^^^^^^^^^^^^^
      |
      = help: an S3 URI reads like `s3://bucket/folder/rows.csv`
    ");
}

#[test]
fn two_sources_of_test_rows() {
    insta::assert_snapshot!(stage("- train:\n    test-data:\n      s3: s3://rows/a.csv\n      url: https://example.com/rows.csv\n"), @"
    error: `test-data` names two sources
     --> pipeline.yaml:5:7
      |
    5 |       s3: s3://rows/a.csv
      |       ^^ one source
    6 |       url: https://example.com/rows.csv
      |       --- another source
      |
      = help: keep one of them
    ");
    insta::assert_snapshot!(stage("- train: { test-data: {} }\n"), @"
    error: `test-data` names no source
     --> pipeline.yaml:3:12
      |
    3 | - train: { test-data: {} }
      |            ^^^^^^^^^
      |
      = help: write a path, or `generate: {}`
    ");
}

#[test]
fn test_rows_of_a_kind_that_is_not_read() {
    insta::assert_snapshot!(stage("- train: { test-data: generate }\n"), @"
    error: `test-data` must end in `.csv`, `.csv.gz` or `.parquet`, unlike `generate`
     --> pipeline.yaml:3:23
      |
    3 | - train: { test-data: generate }
      |                       ^^^^^^^^
      |
      = help: write `test-data: { generate: {} }`
    ");
    insta::assert_snapshot!(stage("- train: { test-data: { path: ' ' } }\n"), @"
    error: `path` must not be empty
     --> pipeline.yaml:3:31
      |
    3 | - train: { test-data: { path: ' ' } }
      |                               ^^^
    ");
}
