//! A made-up world with known true demands, for tests of the model and control.
