section-account = My account
section-children = My children
section-services = My services
section-ways-in = My ways in

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
