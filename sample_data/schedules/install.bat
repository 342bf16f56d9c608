@echo off
rem Run once as an administrator, in this code's folder: makes C:\Deferrals and a task at 07:00.
rem Put the token into C:\Deferrals\token.txt afterwards.
rem Members of the group Deferrals may put lists into C:\Deferrals\inbox.
net localgroup Deferrals >nul 2>nul || net localgroup Deferrals /add || exit /b 1
mkdir C:\Deferrals C:\Deferrals\inbox C:\Deferrals\done C:\Deferrals\attention
icacls C:\Deferrals /inheritance:r /grant SYSTEM:(OI)(CI)F Administrators:(OI)(CI)F || exit /b 1
icacls C:\Deferrals\inbox /grant Deferrals:(OI)(CI)M || exit /b 1
icacls C:\Deferrals\attention /grant Deferrals:(OI)(CI)R || exit /b 1
py -m venv C:\Deferrals\.venv || exit /b 1
C:\Deferrals\.venv\Scripts\python -m pip install ".[excel]" || exit /b 1
copy sample_data\schedules\defer-batch.ps1 C:\Deferrals\ || exit /b 1
copy sample_data\schedules\backup_journal.py C:\Deferrals\ || exit /b 1
schtasks /Create /TN Deferrals /SC DAILY /ST 07:00 /RU SYSTEM /TR "powershell -NoProfile -ExecutionPolicy Bypass -File C:\Deferrals\defer-batch.ps1"
