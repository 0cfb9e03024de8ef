//! A pipeline that is declared without files and without a cloud, for tests.

use std::sync::Arc;

use plan::{Desired, Goal, World};
use spec::{Container, Spec};

use crate::inputs::{ImageInput, ImageSource, ModelInput, ModelSource, ProxyInput, ProxySource};
use crate::{Declared, Inputs, Names, Site, Skip, Wanted};

pub(crate) struct Fixture {
    pub(crate) spec: Spec,
    pub(crate) inputs: Arc<Inputs>,
    pub(crate) names: Names,
    pub(crate) skip: Skip,
}

impl Fixture {
    /// The default pipeline `fraud` in `us-east-1`, with these stages.
    pub(crate) fn with(stages: &str) -> Self {
        Self::new(&format!("{{ name: fraud, stages: [{stages}] }}"), "us-east-1", "3f9a0c12")
    }

    /// As [`Self::with`], from other data.
    pub(crate) fn retrained(stages: &str) -> Self {
        Self::new(&format!("{{ name: fraud, stages: [{stages}] }}"), "us-east-1", "c0ffee00")
    }

    /// As [`Self::with`], as a teardown sees it.
    pub(crate) fn torn_down(stages: &str) -> Self {
        let Self { spec, names, .. } = Self::with(stages);
        let inputs = Arc::new(Inputs::none(&spec));
        let names = Names::of(&spec, &inputs, names.site);
        Self { spec, inputs, names, skip: Skip::default() }
    }

    pub(crate) fn new(source: &str, region: &str, model: &str) -> Self {
        let spec = Spec::parse(source, "pipeline.yaml".as_ref()).unwrap();
        let site = Site { account: "123456789012".to_owned(), region: region.to_owned(), plain_http: false };
        let inputs = Arc::new(made_up(model, &spec));
        let names = Names::of(&spec, &inputs, site);
        Self { spec, inputs, names, skip: Skip::default() }
    }

    /// The same with stages left out.
    pub(crate) fn skipping<const N: usize>(self, stages: [&str; N]) -> Self {
        Self { skip: Skip::new(stages), ..self }
    }

    pub(crate) fn wanted(&self) -> Wanted<'_> {
        let Self { spec, inputs, names, skip } = self;
        Wanted { spec, inputs, names, skip }
    }

    pub(crate) fn declared(&self) -> Declared {
        Declared::of(&self.wanted())
    }

    pub(crate) fn desired(&self) -> Vec<Desired> {
        self.declared().desired(Goal::Present)
    }

    pub(crate) fn plan(&self, world: &World, goal: Goal) -> String {
        let plan = plan::plan(&self.declared().desired(goal), world, goal).unwrap();
        plan::render::text(&plan, &|_, lines| lines)
    }
}

fn made_up(model: &str, spec: &Spec) -> Inputs {
    Inputs {
        model: ModelInput {
            fingerprint: model.repeat(8),
            words: vec![("data", format!("rows {model}"))],
            source: ModelSource::None,
        },
        proxy: ProxyInput {
            fingerprint: "5ca1ab1e".repeat(8),
            source: ProxySource::Prebuilt("lambda-proxy".into()),
            architecture: spec.package.architecture,
        },
        image: (spec.create_endpoint.container == Container::ModelServer).then(|| ImageInput {
            fingerprint: "ba5eba11".repeat(8),
            source: ImageSource::Prebuilt("model-server".into()),
            architecture: spec.create_endpoint.capacity.architecture(),
        }),
    }
}
