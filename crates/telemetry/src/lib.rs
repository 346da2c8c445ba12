//! Samples into windows, histograms, history, probes, exporters, recordings.
