# Run each list in C:\Deferrals\inbox, one after another: the same as defer-inbox on Linux.
# README.md beside this file has the rest. Nobody has run this on Windows yet.
$root = 'C:\Deferrals'
$keepDays = 90
$inbox = "$root\inbox"
$reports = "$root\reports"
$tool = "$root\.venv\Scripts\defer-batch.exe"
$python = "$root\.venv\Scripts\python.exe"
$log = "$root\defer-batch.log"
$said = "$root\said.txt"
$env:DEFER_BATCH_REGISTER = 'production'
$env:DEFER_BATCH_API_TOKEN_FILE = "$root\token.txt"
$env:DEFER_BATCH_REPORTS_DIR = $reports
$env:PYTHONIOENCODING = 'utf-8'
$script:worst = 0

function Write-Log($words) {
    "$((Get-Date).ToUniversalTime().ToString('s'))Z $words" | Out-File -LiteralPath $log -Append -Encoding utf8
}

function Exit-With([int]$code) {
    if ($code -ne 0) {
        eventcreate /T ERROR /ID 1 /L APPLICATION /SO defer-batch /D "defer-batch: exit code $code, see $log" | Out-Null
    }
    exit $code
}

function Set-Worst([int]$code) {
    if ($code -gt $script:worst) { $script:worst = $code }
}

# Standard input is empty, so that nobody is asked. What is said goes into the log, the last of it
# into $said; the line with the manifest's SHA-256 is part of it, and the log is kept.
function Invoke-Tool {
    Write-Log "defer-batch $args"
    $null | & $tool @args 2>&1 | ForEach-Object { "$_" } | Out-File -LiteralPath $said -Encoding utf8
    $code = $LASTEXITCODE
    Get-Content -LiteralPath $said -Encoding utf8 | Out-File -LiteralPath $log -Append -Encoding utf8
    Write-Log "exit code $code"
    $code
}

function Get-Unfinished {
    $listed = (& $tool runs --json 2>$null) -join "`n"
    if ($LASTEXITCODE -ne 0) {
        Write-Log 'cannot read the journal: nothing was run'
        Exit-With 2
    }
    @(ConvertFrom-Json $listed | ForEach-Object { $_ } | Where-Object { $_.stage -eq 'started' })
}

# An empty list sends nothing, and ends in 0 unless settings, journal or another run forbid any run.
function Confirm-AListCouldRun($folder) {
    $code = Invoke-Tool run "$root\empty.csv" --reports-dir $folder
    if ($code -ne 0) { Exit-With $code }
}

function Move-Away($file, $folder) {
    $stamp = (Get-Date).ToUniversalTime().ToString("yyyyMMdd'T'HHmmss'Z'")
    Move-Item -LiteralPath $file.FullName -Destination "$root\$folder\$stamp-$($file.Name)" -ErrorAction SilentlyContinue -ErrorVariable failed
    if ($failed) {
        Write-Log "cannot move $($file.Name) to $folder; it will be run again the next time"
        Set-Worst 2
    }
}

function Move-ListsOfRun($runId, $folder) {
    $summary = "$reports\$runId\summary.json"
    if (-not (Test-Path -LiteralPath $summary)) { return }
    $wanted = (Get-Content -LiteralPath $summary -Raw -Encoding utf8 | ConvertFrom-Json).input.sha256
    foreach ($file in Get-ChildItem -LiteralPath $inbox -File) {
        $hash = (Get-FileHash -LiteralPath $file.FullName -Algorithm SHA256 -ErrorAction SilentlyContinue).Hash
        if ($hash -eq $wanted) { Move-Away $file $folder }
    }
}

function Test-Litter($file) {
    $file.Name.StartsWith('~$') -or $file.Name -like '.~lock.*#' -or $file.Name -in 'desktop.ini', 'Thumbs.db'
}

function Test-Settled($file) {
    foreach ($lock in "$inbox\~`$$($file.Name)", "$inbox\.~lock.$($file.Name)#") {
        if (Test-Path -LiteralPath $lock) {
            if ((Get-Item -LiteralPath $lock -Force).LastWriteTime -lt (Get-Date).AddDays(-1)) {
                Write-Log "$($file.Name) waits: someone has had it open for a day; if nobody has, delete $lock"
                Set-Worst 1
            }
            return $false
        }
    }
    $changed = ($file.LastWriteTime, $file.CreationTime | Sort-Object)[-1]
    if ($changed -gt (Get-Date).AddMinutes(-1)) { return $false }
    try { [IO.File]::Open($file.FullName, 'Open', 'Read', 'None').Close() } catch { return $false }
    return $true
}

foreach ($needed in $tool, $inbox, "$root\done", "$root\attention") {
    if (-not (Test-Path -LiteralPath $needed)) {
        Write-Log "there is no $needed"
        Exit-With 2
    }
}

# Settings that suit no list at all are noticed before a list is touched.
Set-Content -LiteralPath "$root\empty.csv" -Value 'trainee_id,defer_date' -Encoding ascii
Confirm-AListCouldRun $reports

$unfinished = @(Get-Unfinished)
foreach ($run in $unfinished) {
    $code = Invoke-Tool resume $run.run_id
    if ($code -in 4, 130, 143) { Exit-With $code }
    if ($code -eq 3) { Set-Worst 3 } elseif ($code -ne 0) { Set-Worst 1 }
    if ($code -eq 0) { Move-ListsOfRun $run.run_id 'done' }
    if ($code -eq 1) { Move-ListsOfRun $run.run_id 'attention' }
}
if ($unfinished.Count -eq 0) {
    $code = Invoke-Tool resume
    if ($code -in 4, 130, 143) { Exit-With $code }
    if ($code -ne 0) { Set-Worst 1 }
}

foreach ($file in Get-ChildItem -LiteralPath $inbox -File | Sort-Object Name) {
    if ((Test-Litter $file) -or -not (Test-Settled $file)) { continue }
    $code = 2
    if ($file.Extension -in '.csv', '.xlsx', '.xlsm') {
        $code = Invoke-Tool check $file.FullName
    } else {
        Write-Log "cannot use $($file.Name): it is neither .csv nor .xlsx"
    }
    if ($code -eq 4) { Exit-With 4 }
    if ($code -notin 0, 1) {
        Set-Worst 1
        Move-Away $file 'attention'
        continue
    }
    # Who put the list there answers for it: the manifest and the page name the file's owner.
    $env:DEFER_BATCH_OPERATOR = "list from $((Get-Acl -LiteralPath $file.FullName).Owner)"
    $code = Invoke-Tool run $file.FullName
    if ($code -eq 0) { Move-Away $file 'done'; continue }
    if ($code -in 4, 75, 130, 143) { Exit-With $code }
    if ($code -eq 3) { Set-Worst 3; continue }
    if ($code -eq 2 -and (Get-Unfinished | Where-Object { $_.input -eq $file.Name })) { Set-Worst 3; continue }
    if ($code -eq 2) {
        Confirm-AListCouldRun $reports
        Remove-Item -LiteralPath "$root\empty-reports" -Recurse -ErrorAction SilentlyContinue
        Confirm-AListCouldRun "$root\empty-reports"  # a new journal asks for the token
    }
    Set-Worst 1
    Move-Away $file 'attention'
    if ($code -in 5, 70) { Exit-With $code }
}

& $python "$root\backup_journal.py" $reports "$root\backups" >> $log
if ($LASTEXITCODE -ne 0) { Set-Worst 1 }
$code = Invoke-Tool purge --older-than "${keepDays}d" --yes
if ($code -ne 0) { Set-Worst 1 }
$before = (Get-Date).ToUniversalTime().AddDays(-$keepDays).ToString("yyyyMMdd'T'HHmmss'Z'")
Get-ChildItem -LiteralPath "$root\done", "$root\attention" -File | Where-Object { $_.Name -lt $before } | Remove-Item
if ((Get-Item -LiteralPath $log).Length -gt 10MB) {
    Move-Item -LiteralPath $log -Destination "$root\defer-batch-$((Get-Date).ToString('yyyyMMdd')).log"
}
Exit-With $script:worst
