section-account = My account
section-children = My children
section-services = My services
section-ways-in = My ways in
section-sessions = Where I am signed in

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
