"""Defer many trainees in the Register of trainee teachers, and prove what became of each.

The table of contents, in the order in which a row walks through the rooms:

    __main__    `python -m batch` is `defer-batch`
    cli         the command line: parse, wire, call, print, exit
    options     the options of the commands
    settings    what a run is told: option, environment, `.env`, default
    terminal    the plan and its question, progress, the summary
    listing     the table of runs

    submission  rows become outcomes
      checking    `check`
      beginning   `run`, from a file to a finished run
      resuming    `resume`
      history     `runs`, `report`, `verify`
      purging     `purge`
      places      which run RUN means
      terms       what a run is told, and whom it tells
      desk        where a command works, and on whose word
      staging     every row is checked and written down before the first is sent
      planning    what a run would do
      carrying    a plan is carried out
      session     one stretch of work: ask first, confirm, send
      reporting   how a run ended: its reports, its exit code
      preflight   are token and version accepted?
      run         rows through pacing and Register
      queue       which row is next
      service     how a request is made: paced, paused, written down
      turns       waiting for a request's turn
      pacing      when the next request may start
      windows     what a limit counts
      clocks      what the server's clock says
      forecast    how many requests a run still needs
      health      is Register up?
      settling    what becomes of a row after each answer
      stopping    why a run is ending
      signals     Ctrl-C and SIGTERM
      telling     `run.log`
      rehearsal   the emulator within this process

    intake      a file becomes checked rows
      decoding    bytes become text
      places      in which row a byte stands
      layout      the separator, the header, the columns
      reader      a CSV becomes rows
      swallowed   did a quote swallow rows?
      workbooks   a workbook becomes rows
      cells       what the cells of a sheet are
      tidying     what reading puts right
      rules       what a row must satisfy
      dates       dates as people write them
      conflicts   rows for one trainee
      checking    a file, checked
      refusals    why a file cannot be used

    register    the other side
      client      asking Register over HTTPS
      meanings    what can come back, as words
      contents    what an answer holds, read with distrust
      answers     what an answer means, as tables
      model       Register as a pure state machine
      trainees    whom it knows
      routes      what a request is about
      validation  what a deferral must hold
      dates       which dates Register accepts
      replies     the shapes of its answers
      listing     its list of trainees
      history     what happened to its trainees
      faults      what can go wrong on the way, as data
      troubles    those faults by name
      gateway     HTTP in front of the model
      emulator    the gateway behind a port of this machine
      rehearsal   the Register that people rehearse against
      serving     `emulator`

    record      what lasts
      schema      the journal's tables, and opening the file
      ledger      reading the journal
      records     what it gives to those who read
      drafts      a run before it is confirmed
      journal     what was intended, sent and answered: the essay is here
      commits     many writers, one commit
      notes       the reports that were written, and who resumed
      memory      what earlier runs know of a row
      purge       what goes, and what stays
      locks       one run a Register, one writer a journal
      times       times as they are written
      trouble     what a failing disk means
      report      the files of a run
      attention   what the page says first
      page        `report.html`
      chart       its pictures
      seen        what it shows of a value
      workbook    `results.xlsx`
      manifest    `manifest.json`
      proof       do files, manifest and journal agree?
      verdict     what `verify` found

    columns     the columns' names, and the apostrophe guard
    advice      what to do about each code
    files       files and folders, private and whole
    output      speaking with whoever runs a command
    lines       lines for a narrow terminal
    logs        structlog, set up once
    systems     where operating systems differ
    rows        the words that every wing speaks
    words       words for people
    errors      every exception, and its exit code

No wing imports from one above it, and `intake`, `register` and `record` never import each
other: `tests/test_house.py` holds it, and that every room is named here.
"""

__version__ = "0.1.0"
