//! A model of all rows, for a caller who judges it by rows of its own.

use linfa::ParamGuard;
use linfa::traits::Fit;
use model::Model;
use ndarray::{Array2, ShapeBuilder};

use crate::engine::{Fitted, Rows, UncheckedBoosting};
use crate::{EngineError, GradientBoosting, Table};

/// Fits gradient boosting to every row of a table, holding none back.
///
/// What [`train`](crate::train) proves of its model, that it is read back and scores as the engine does, is not proved
/// here.
pub fn fit(table: &Table, parameters: &GradientBoosting) -> Result<Model, EngineError> {
    let values = table.columns().iter().flatten().copied().map(f64::from).collect();
    #[expect(clippy::expect_used, reason = "every column has as many values as there are rows")]
    let values = Array2::from_shape_vec((table.len(), table.features().len()).f(), values).expect("a value per cell");
    let rows = Rows::new(values, table.labels().iter().copied().collect());
    let fitted = UncheckedBoosting::new(parameters.clone(), table.features()).check()?.fit(&rows)?;
    fitted.export(table.features())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Algorithm, Options, generate, train};

    #[test]
    fn the_same_rows_give_the_same_model_as_training_with_an_evaluation() {
        let table = generate(2000, 7).unwrap();
        let parameters = GradientBoosting { trees: 5, ..GradientBoosting::default() };
        let options = Options { algorithm: Algorithm::GradientBoosting(parameters.clone()), ..Options::default() };
        let mut kept = Table::new(table.label(), table.features().to_vec());
        for row in options.split.of(&table).unwrap().train {
            kept.push(&table.row(row), table.labels()[row]);
        }
        let trained = train(table, None, &options, &mut |_| {}).unwrap();
        assert_eq!(fit(&kept, &parameters).unwrap().to_json(), trained.model_json);
    }
}
