"""``python -m llmplan``: the command line."""

from llmplan.cli import main

if __name__ == "__main__":
    main()
