section-account = My account
section-children = My children
section-services = My services
section-ways-in = My ways in
section-sessions = Where I am signed in
section-history = My history
section-data = My data

session-again-title = Please confirm that it is you
session-again-lead = To protect your account, this page asks for your password once more. Then you will be back where you were.
session-again-back = Back to my account
session-again-submit = Continue

ways-in-title = My ways in
ways-in-login = Your login:
ways-in-password = Password
ways-in-password-text = You chose it yourself. Nobody else knows it, not even the school.
ways-in-password-change = Change my password
ways-in-password-changed = Your password has been changed. You were signed out everywhere else.
ways-in-phone = Mobile phone
ways-in-phone-text = If you forget your login or your password, a code is sent by SMS to the number that the school has. To change this number, ask the school.
ways-in-back = Back to my ways in

sessions-lead = These are the devices where your account is open at the moment. End whatever you no longer use, or do not recognise.
sessions-own = The device that you are using now
sessions-device = { $browser } on { $system }
sessions-device-unknown = Unknown device
sessions-began = Signed in: { $when }
sessions-seen = Last used: { $when }
sessions-services = Services:
sessions-now = just now
sessions-minutes-ago = { $count ->
    [one] a minute ago
   *[other] { $count } minutes ago
}
sessions-hours-ago = { $count ->
    [one] an hour ago
   *[other] { $count } hours ago
}
sessions-end = Sign out “{ $device }”
sessions-unknown = You do not recognise a device? Sign it out, then choose another password.

session-switch-title = You are already signed in
session-switch-present = The account that is open on this device has the login
session-switch-continue = Continue as { $login }
session-switch-not-you = Is this not you?
session-switch-not = You are not { $login }? Change user
session-switch-other = Change user
session-switch-ends = Before somebody else signs in, { $login } is signed out on this device and at the services opened with this account.
oidc-choose-title = Which account do you want to use?
oidc-choose-text = The service “{ $service }” asks you to choose the account.

ways-in-told-app-added = The app has been added. It will be asked for at each sign-in. Now keep some recovery codes.
ways-in-told-removed = It has been removed.
ways-in-told-too-many = Your account has five second factors already: remove one first.
ways-in-second = Second step of signing in
ways-in-second-text = If you wish, your password alone no longer does: a code from your phone is asked for besides. Whoever learned your password would not get in.
ways-in-app = Authenticator app
ways-in-passkey = Passkey
ways-in-remove = Remove
ways-in-app-add = Add an authenticator app
ways-in-codes = Recovery codes
ways-in-codes-left = { $count ->
    [0] You have none left. Get new ones.
    [one] You have one left. Get new ones.
   *[other] You have { $count } left.
}
ways-in-codes-none = You have none yet. Without them, losing your phone would keep you out.
ways-in-codes-new = Get new recovery codes

second-title = Second step
second-lead = Your password is right. Your account asks for a code besides.
second-code = Code
second-hint = The six digits of your authenticator app, or one of your recovery codes.
second-wrong = This code is wrong, or was used before. Wait for the next one and try again.
second-too-many = { $minutes ->
    [one] Too many wrong codes. Try again in a minute.
   *[other] Too many wrong codes. Try again in { $minutes } minutes.
}
second-lost = You have neither the app nor your recovery codes any more? Ask the school or support, who will check who you are.
second-start-over = Back to signing in

totp-title = Add an authenticator app
totp-lead = You need an app that gives codes of six digits, for example FreeOTP, Aegis or the one of your phone.
totp-scan = 1. Save your account in the app
totp-picture = QR code to be read by the app
totp-same-phone = The app is on this phone: open it
totp-type = Or type this key into the app:
totp-check = 2. Give the code that it shows
totp-code = Code of six digits
totp-hint = It changes every thirty seconds.
totp-wrong = This is not the app’s code. Check the time on your phone, and give the code that is shown now.
totp-submit = Add

recovery-title = Your recovery codes
recovery-once = They will never be shown again. Write them down or print this page, and keep them elsewhere than in your phone.
recovery-use = Each serves once, in place of the app’s code. Any former codes are void.
recovery-kept = I have written them down

history-lead = What happened to your account, the latest first.
history-none = There is nothing older.
history-latest = Back to the latest
history-older = Older
history-by-you = By yourself
history-by-support = By support
history-by-school = From the school’s data
history-by-service = By the service
history-by-relying-party = By a connected service

data-lead = You can take away what Matricule keeps of you:
data-what-account = your account and your ways in, without any password;
data-what-school = what the schools said of you and your children;
data-what-services = what each service receives, your sign-ins, and who looked at your account;
data-what-history = the history of your account.
data-html = Download to read
data-json = Download for a program (JSON)
data-recorded = Each download is noted in the access log.
data-correct = Something is wrong? It is corrected at the child’s school.
download-made = File made on { $moment }
download-records = What the schools say
download-services = What services receive
download-accesses = Sign-ins and reads
