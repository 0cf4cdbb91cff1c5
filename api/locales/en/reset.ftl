reset-title = Forgotten login or password
reset-lead = We will send you a code by text message. It will show you your login and let you choose a new password.
reset-by-login = I know my login
reset-by-identity = I don’t know my login any more
reset-login-missing = Enter your login, or use the second form.
reset-pupils = Pupils: ask your school for a provisional password.
