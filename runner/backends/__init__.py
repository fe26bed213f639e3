"""One file per place where attempts run; `runner.backend` says what each must do."""
