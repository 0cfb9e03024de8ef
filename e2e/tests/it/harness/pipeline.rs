//! A pipeline file: the example's shape, with a model that trains in milliseconds.

use super::tools::tools;

/// The parts of a pipeline file that tests change.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    /// Every cloud name derives from it.
    pub(crate) name: &'static str,
    /// Value of `targets: local:`.
    pub(crate) local: String,
    /// Lines of other targets, indented by two spaces.
    pub(crate) targets: String,
    /// Value of `train:`.
    pub(crate) train: String,
    /// Value of `create-role:`.
    pub(crate) create_role: String,
    /// What is added to `package:`, with a comma before it.
    pub(crate) package: String,
    /// Value of `create-endpoint:`.
    pub(crate) create_endpoint: String,
    /// Value of `deploy-proxy:`.
    pub(crate) deploy_proxy: String,
    /// Value of `smoke-test:`.
    pub(crate) smoke_test: String,
    /// Value of `teardown:`.
    pub(crate) teardown: String,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self {
            name: "fraud",
            local: "{ iam-propagation-ms: 0, deployer-policy: own }".to_owned(),
            targets: String::new(),
            train: trained(5),
            create_role: "{}".to_owned(),
            package: String::new(),
            create_endpoint: "{}".to_owned(),
            deploy_proxy: "{}".to_owned(),
            smoke_test: "{}".to_owned(),
            teardown: "{}".to_owned(),
        }
    }
}

impl Pipeline {
    /// With so many trees: another number is another model.
    pub(crate) fn trees(trees: u32) -> Self {
        Self { train: trained(trees), ..Self::default() }
    }

    /// With this `train:`.
    pub(crate) fn train(train: impl Into<String>) -> Self {
        Self { train: train.into(), ..Self::default() }
    }

    /// Served by an image of ours, of this program; relative to the pipeline file.
    pub(crate) fn own_image(program: &str) -> Self {
        Self {
            package: format!(", model-server: \"{program}\""),
            create_endpoint: "{ container: model-server }".to_owned(),
            ..Self::default()
        }
    }

    /// The file's text.
    pub(crate) fn text(&self) -> String {
        let Self { name, local, targets, train, package, create_role, create_endpoint, .. } = self;
        let Self { deploy_proxy, smoke_test, teardown, .. } = self;
        let proxy = tools().proxy.display();
        format!(
            "name: {name}\n\
             targets:\n  local: {local}\n{targets}\
             stages:\n  \
             - train: {train}\n  \
             - package: {{ proxy: \"{proxy}\"{package} }}\n  \
             - upload:\n  \
             - create-role: {create_role}\n  \
             - create-endpoint: {create_endpoint}\n  \
             - deploy-proxy: {deploy_proxy}\n  \
             - smoke-test: {smoke_test}\n  \
             - teardown: {teardown}\n"
        )
    }
}

fn trained(trees: u32) -> String {
    format!(
        "{{ data: {{ generate: {{ rows: 2000, seed: 42 }} }}, \
         algorithm: {{ gradient-boosting: {{ trees: {trees} }} }} }}"
    )
}
